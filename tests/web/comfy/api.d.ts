export declare const api: EventTarget & {
  apiURL(route: string): string;
  queuePrompt(
    number: number,
    prompt: { output: unknown; workflow: unknown },
    options: { partialExecutionTargets: string[] },
  ): Promise<unknown>;
};
