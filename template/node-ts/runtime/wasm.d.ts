/** The build puts an imported .wasm file beside the bundle. */
declare module '*.wasm' {
  /** Where it is, relative to the bundle: `join(import.meta.dirname, path)`. */
  const path: string
  export default path
}
