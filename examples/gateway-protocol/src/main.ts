import { run } from './run.ts'

if (!(await run((text) => process.stdout.write(text)))) process.exitCode = 1
