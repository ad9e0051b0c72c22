import { perRequest } from '../per-request.ts'
import { serveSlices } from '../slice-process.ts'
import { callers } from './callers.ts'

// One caller in a process of its own: its CPU is its own, and what it traces and measures are its own calls. Runs a slice when it is told.
const [name = '', moleculer, ...http] = process.argv.slice(2)
const caller = callers.find((one) => one.name === name)
if (!caller) throw new Error(`There is no caller ${name}`)
const { slice } = perRequest(name, await caller.create({ http: http.map(Number), moleculer: Number(moleculer) }))
serveSlices(slice)
