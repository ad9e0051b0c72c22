import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConfigDocument, WritableConfigSource } from '@sd/core'
import { probeWatch, type WatchProbe } from '@sd/testing'
import { onTestFinished } from 'vitest'
import { createFileConfigSource, type FileConfigSourceOptions } from '../index.ts'

/** Maximum time until a change is seen on a busy machine, in milliseconds. */
const eventuallyMs = 20_000

/** An empty folder that is removed after the test. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sd-config-file-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A source that is closed after the test. It settles fast, and polls too rarely to matter. */
export function openSource(options: FileConfigSourceOptions): WritableConfigSource {
  const source = createFileConfigSource({ settleMs: 20, pollIntervalMs: 600_000, ...options })
  onTestFinished(() => source.close())
  return source
}

/** Follows a source, and waits until it does. */
export async function followSource(source: WritableConfigSource): Promise<WatchProbe<ConfigDocument>> {
  const probe = probeWatch((options) => source.watch(options), eventuallyMs)
  await probe.until(() => undefined)
  return probe
}

/** The texts of a document, by key. */
export function textsOf(document: ConfigDocument | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(document?.entries.map(({ key, content }) => [key, content]) ?? [])
}

/** Replaces the files of a volume as the kubelet does: a new inner folder, and a rename of the link `..data` to it. */
export async function swapVolume(volume: string, files: Readonly<Record<string, string>>, version: number): Promise<void> {
  const inner = `..2026_11_21_${version}`
  await mkdir(join(volume, inner))
  for (const [name, text] of Object.entries(files)) await writeFile(join(volume, inner, name), text)
  await symlink(inner, join(volume, '..data_tmp'))
  await rename(join(volume, '..data_tmp'), join(volume, '..data'))
  const names = await readdir(volume)
  for (const name of Object.keys(files)) {
    if (!names.includes(name)) await symlink(join('..data', name), join(volume, name))
  }
  for (const name of names) {
    const isOld = name.startsWith('..2') ? name !== inner : !name.startsWith('..') && !(name in files)
    if (isOld) await rm(join(volume, name), { recursive: true })
  }
}
