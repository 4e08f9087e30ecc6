// The parts of ComfyUI's front end that the editor uses, as the type checker should see them.

export interface Widget {
  name: string;
  value: unknown;
  label?: string;
  serialize?: boolean;
  callback?: (value: unknown) => void;
  draw?: (context: CanvasRenderingContext2D, ...rest: unknown[]) => void;
}

export interface Link {
  origin_id: number | string;
  origin_slot: number;
}

export interface Graph {
  id?: string;
  isRootGraph?: boolean;
  nodes: GraphNode[];
  links: Record<string, Link> | Map<number, Link>;
  getLink?(id: number): Link | undefined;
  getNodeById(id: number | string): GraphNode | null;
  change?(): void;
}

export interface GraphNode {
  id: number | string;
  type: string;
  title: string;
  mode: number;
  comfyClass?: string;
  graph: Graph | null;
  subgraph?: Graph;
  properties: Record<string, unknown>;
  size: [number, number];
  computeSize(): [number, number];
  setSize(size: [number, number]): void;
  inputs: { name: string; link: number | null }[];
  widgets?: Widget[];
  onExecuted?: (output: Record<string, any>) => void;
  onConnectionsChange?: (...args: unknown[]) => void;
  onConfigure?: (...args: unknown[]) => void;
  onAdded?: (...args: unknown[]) => void;
  onRemoved?: (...args: unknown[]) => void;
  addDOMWidget(
    name: string,
    type: string,
    element: HTMLElement,
    options: {
      getValue: () => string;
      setValue: (value: unknown) => void;
      getMinHeight?: () => number;
      hideOnZoom?: boolean;
      serialize?: boolean;
      margin?: number;
    },
  ): Widget;
}

export interface Extension {
  name: string;
  nodeCreated?(node: GraphNode): void;
  getCustomWidgets?(): Record<
    string,
    (
      node: GraphNode,
      name: string,
      data: unknown,
      app: unknown,
    ) => { widget: Widget; minWidth?: number; minHeight?: number }
  >;
}

export declare const app: {
  rootGraph?: Graph;
  graph: Graph;
  nodeOutputs: Record<string, Record<string, any> | undefined>;
  extensionManager?: {
    workflow?: {
      openWorkflows?: unknown[];
      activeWorkflow?: {
        changeTracker?: { captureCanvasState?(): void; checkState?(): void };
      };
    };
  };
  graphToPrompt(): Promise<{ output: unknown; workflow: unknown }>;
  queuePrompt(number: number, batchCount: number, nodeIds: string[]): Promise<boolean>;
  registerExtension(extension: Extension): void;
};
