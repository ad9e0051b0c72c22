#!/usr/bin/env node
import { runCli } from './cli.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort())

const { stdin, stdout, stderr, env } = process
// The error of a closed pipe may come after the command.
for (const stream of [stdout, stderr]) stream.on('error', () => undefined)
// A watch may have nothing that keeps the process alive: that is up to the program, and not to a registry.
const running = setInterval(() => undefined, 60_000)
process.exitCode = await runCli({
  argv: process.argv.slice(2),
  env,
  stdin,
  stdout,
  stderr,
  cwd: process.cwd(),
  signal: interruption.signal,
}).finally(() => clearInterval(running))
