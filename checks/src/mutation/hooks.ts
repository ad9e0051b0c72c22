import { beforeEach } from 'vitest'

// Tells the worker which test begins, so that it knows what each one reaches.

beforeEach(({ task }) => (globalThis as { __startTest?: (id: string) => void }).__startTest?.(task.id))
