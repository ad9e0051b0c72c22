import { beforeEach } from 'vitest'
import { checkListeners } from './vitest.process.ts'

// Runs before each test file. The first registered hook runs last, after the hooks of the test file. Concurrent tests are excluded, because
// their signals can't be told apart.
beforeEach(({ onTestFinished, task }) => {
  if (!task.concurrent) onTestFinished(checkListeners)
})
