declare module 'xhr2' {
  const xhr2: {
    /** The class of browsers. */
    readonly XMLHttpRequest: unknown
  }
  export default xhr2
}
