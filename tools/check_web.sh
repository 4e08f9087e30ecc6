#!/bin/sh
# Test, lint and type-check the editor's JavaScript. Whatever is missing is skipped and said.
set -eu
cd "$(dirname "$0")/.."

skip() {
    echo "web: skipped $1: $2"
    exit 0
}

command -v node >/dev/null || skip "everything" "no node on the path"
node -e 'process.exit(+(parseInt(process.versions.node) < 20))' ||
    skip "everything" "node $(node --version) is older than 20"
node --test --test-reporter=dot tests/web/*.test.js

command -v npm >/dev/null || skip "linter and types" "no npm on the path"
if [ ! -e node_modules/.ready ] || [ package-lock.json -nt node_modules/.ready ]; then
    npm ci --silent --no-fund --no-audit ||
        skip "linter and types" "npm could not install them"
    touch node_modules/.ready
fi
node_modules/.bin/eslint web tests/web --max-warnings 0
node_modules/.bin/tsc --project tests/web/tsconfig.json
