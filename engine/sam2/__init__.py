"""SAM 2: checkpoint -> network -> embedding -> masks."""
