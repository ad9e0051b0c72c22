export { runCli } from './cli.ts'
export type { CliOptions } from './cli-options.ts'
export type { OutputStream } from './output/printer.ts'
