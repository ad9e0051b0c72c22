import { configSourceContract } from '@sd/testing'
import { test } from 'vitest'
import { createEnvConfigSource } from './index.ts'

const contract = configSourceContract({
  keys: ['db/pool/size', 'url'],
  capabilities: { write: false },
  canBeCut: false,
  setup: async () => {
    const env: Record<string, string> = { PATH: '/bin' }
    const variableOf = (key: string): string => `SD_${key.replaceAll('/', '__').toUpperCase()}`
    return {
      open: async () => createEnvConfigSource({ prefix: 'SD_', env, refreshIntervalMs: 20 }),
      write: async (key, content) => {
        env[variableOf(key)] = content
      },
      remove: async (key) => {
        delete env[variableOf(key)]
      },
      dispose: async () => {},
    }
  },
})
for (const { name, run } of contract) test(name, run)
