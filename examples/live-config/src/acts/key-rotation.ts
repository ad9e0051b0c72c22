import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFileKeyring, generateKey, needsReencryption, reencrypt } from '@sd/config-crypto'
import { shopKey } from '../operator.ts'
import type { Stage } from '../stage.ts'

/** Replaces the key of encrypted values while they are in use. */
export async function keyRotation(stage: Stage, oldKey: string): Promise<void> {
  const { shop, shopOptions, operator, screen, measure, promise } = stage
  const path = join(shopOptions.folder, 'keys')
  const keys = createFileKeyring({ path, recheckMs: 0 })
  const newKey = generateKey('2026-02')
  const writeKeys = (...lines: readonly string[]): Promise<void> => writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  const keyIdOf = (content: string): string | undefined => /ENC\[([^:]+):/.exec(content)?.[1]

  screen.heading('A secret is encrypted, and its key is rotated')
  const { value, isSecret } = shop.config.explain('client.token')
  screen.note(`client.token = ${value}, encrypted with the key ${keyIdOf((await operator.read()).content)}`)
  promise('a secret is masked in explanations', isSecret && value === '***', `explain shows ${value}`)

  await writeKeys(oldKey, newKey)
  screen.deed('1. the new key is added to all programs, after the old one')
  await writeKeys(newKey, oldKey)
  screen.deed('2. the new key moves to the first place: it encrypts from now on')
  const both = await measure(1)
  const old = await operator.read()
  await operator.write(await reencrypt(old.content, { keys }), '3. everything is encrypted again')
  const { content } = await operator.read()
  const isDone = !(await needsReencryption(content, { keys }))
  const encrypted = await measure(1)
  await writeKeys(newKey)
  screen.deed('4. the old key is removed')
  await shop.config.reload()
  const removed = await measure(1)
  keys.close()
  const newId = keyIdOf(content)
  const isGood = shop.config.status().refused.length === 0
  promise('a rotation changes the key, not the secret', isDone && isGood, `${shopKey} has the key ${newId}`)
  const failed = both.failed + encrypted.failed + removed.failed
  promise('during the rotation every call has the correct token', failed === 0, `${failed} failed`)
}
