import { beforeEach } from 'vitest'

// Reports to the worker which test begins, so that it can record the mutants that each test reaches.

beforeEach(({ task }) => (globalThis as { __startTest?: (id: string) => void }).__startTest?.(task.id))
