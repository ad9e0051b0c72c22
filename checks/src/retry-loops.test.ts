import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './gate.ts'

// A delay requested by a server is respected by one function, `delayBeforeRetry` of core, in every loop that retries after an error.

const packages = join(root, 'packages')

/** Loops whose pause does not follow a response that could request a delay, by file, with the reason. */
const withoutResponse: Readonly<Record<string, string>> = {
  'config-history/src/file-lock.ts': 'another process holds the file',
  'config-history/src/writer.ts': 'another writer was faster',
  'config-kubernetes/src/object-writer.ts': 'another writer was faster',
  'connection-consul/src/agent-load.ts': 'uses the longer one of its pause and the delay requested by the agent',
  'connection-kubernetes/src/collection.ts': 'a watch that ended without an error',
  'connection-zookeeper/src/zookeeper-connection.ts': 'the connection broke, so there is no response',
  'core/src/async/server-delay.ts': 'the function itself',
  'gateway-server/src/process/worker-pool.ts': 'a worker ended, so there is no response',
  'lock-consul/src/lock-removal.ts': 'the key has another value; after an error the loop uses delayBeforeRetry',
  'lock-etcd/src/contenders.ts': 'etcd never requests a delay',
  'rate-limit-redis/src/redis-connection.ts': 'Redis never requests a delay',
  'registry-kubernetes/src/slice-feed.ts': 'before the next follower; the watch respects the delay',
}

test('retry loops use delayBeforeRetry, or are listed with a reason', () => {
  const found = readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|^testing\//.test(file))
      .map((file) => `${name}/src/${file}`)
      .filter((file) => /\b(?:backoff|retries)\.next\(\)/.test(readFileSync(join(packages, file), 'utf8'))),
  )
  expect(found.sort()).toEqual(Object.keys(withoutResponse).sort())
})
