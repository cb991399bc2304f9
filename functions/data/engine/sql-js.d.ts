/** What is used of sql.js below its own classes, and of the language's WebAssembly, which the compiler's library leaves to browsers. */
declare module 'sql.js/dist/sql-wasm.js' {
  export type Import = (...args: readonly number[]) => number
  export type Imports = Readonly<Record<string, Readonly<Record<string, Import>>>>
  type Settings = {
    readonly print: (line: string) => void
    readonly printErr: (line: string) => void
    readonly instantiateWasm: (imports: Imports, done: (instance: WebAssembly.Instance) => void) => object
  }
  /** Its C functions, each under its name with `_` before it. */
  export default function initSqlJs(settings: Settings): Promise<object>
}

declare namespace WebAssembly {
  class Memory {
    readonly buffer: ArrayBuffer
  }
  class Instance {
    constructor(module: object, imports: object)
    readonly exports: Readonly<Record<string, unknown>>
  }
  function compile(bytes: Uint8Array): Promise<object>
}
