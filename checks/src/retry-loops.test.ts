import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './gate.ts'

// "When to come back" is heeded by one helper, `delayBeforeRetry` of core, in every loop that tries again after an error of a server.

const packages = join(root, 'packages')

/** Loops whose pause follows no answer that could say when to come back, by file. */
const withoutAnswer: Readonly<Record<string, string>> = {
  'config-history/src/file-lock.ts': 'another process holds the file',
  'config-history/src/writer.ts': 'another writer was faster',
  'config-kubernetes/src/object-writer.ts': 'another writer was faster',
  'connection-consul/src/agent-load.ts': 'the longer of it and what the agent asked for',
  'connection-kubernetes/src/collection.ts': 'a watch that ended well',
  'connection-zookeeper/src/zookeeper-connection.ts': 'a connection was lost: there is no answer',
  'core/src/async/server-delay.ts': 'the helper',
  'lock-consul/src/lock-removal.ts': 'the key has another value; after an error the loop uses the helper',
  'lock-etcd/src/contenders.ts': 'etcd never says when to come back',
  'rate-limit-redis/src/redis-connection.ts': 'Redis never says when to come back',
  'registry-kubernetes/src/slice-feed.ts': 'before the next follower; the watch heeds it',
}

test('loops that try again use the helper, or say why not', () => {
  const found = readdirSync(packages).flatMap((name) =>
    readdirSync(join(packages, name, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|^testing\//.test(file))
      .map((file) => `${name}/src/${file}`)
      .filter((file) => /\b(?:backoff|retries)\.next\(\)/.test(readFileSync(join(packages, file), 'utf8'))),
  )
  expect(found.sort()).toEqual(Object.keys(withoutAnswer).sort())
})
