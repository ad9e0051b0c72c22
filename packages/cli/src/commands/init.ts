import { isAbsolute, join, relative, resolve } from 'node:path'
import { invalidError } from '@sd/core'
import type { CommandContext, ReadCommand } from '../command.ts'
import { frameworks } from '../init/frameworks.ts'
import { registries } from '../init/registries.ts'
import { planFiles, writeFiles } from '../init/write-service.ts'
import { readManifest } from '../manifest.ts'
import { lines, styled } from '../output/view.ts'

/** What `init` needs to know. */
interface Answers {
  readonly service: string
  readonly framework: string
  /** Type or URL. */
  readonly registry: string
}

/** `sdctl init [service]`: a complete service, as small as the examples. */
export const init: ReadCommand = {
  isLocal: true,
  arguments: [{ name: 'service', description: 'name of the service, in lower case; asked for otherwise', isOptional: true }],
  options: [
    {
      flags: '--framework <name>',
      description: 'framework of the service; asked for otherwise',
      choices: Object.keys(frameworks),
    },
    { flags: '--dir <folder>', description: 'folder to write into; the name of the service otherwise' },
  ],
  async run(context) {
    const { service, framework, registry: given } = await readAnswers(context)
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(service)) throw invalidError('service', service, 'lower-case letters, digits and hyphens')
    const { registry, url } = readRegistry(given)
    const folder = resolve(context.cwd, context.option('dir') ?? service)
    const files = planFiles({ service, framework, registry, url, manifest: readManifest() })
    await writeFiles(folder, files)
    const shown = relative(context.cwd, folder)
    const place = shown.startsWith('..') || isAbsolute(shown) ? folder : shown || '.'
    const paths = files.map(([path]) => join(place, path))
    return {
      data: { service, framework, registry, folder, files: files.map(([path]) => path) },
      view: [
        lines(
          ...paths.map((path) => styled('dim', path)),
          `${service} is a service for ${frameworks[framework]?.title} and ${registry}. Next:`,
          ...(place === '.' ? [] : [`  cd ${place}`]),
          '  npm install',
          '  npm start',
          '  curl http://127.0.0.1:3000/hello/Ada',
        ),
      ],
    }
  },
}

async function readAnswers(context: CommandContext): Promise<Answers> {
  const given = {
    service: context.argument('service'),
    framework: context.option('framework') ?? '',
    // For this command, --registry is the one of the new service; a type will do.
    registry: context.registryOption ?? '',
  }
  const missing = Object.entries(given).filter(([, value]) => value === '')
  if (missing.length === 0) return given
  if (context.terminal) return (await import('../init/ask.ts')).ask(given, context.terminal, context.signal)
  const [name = ''] = missing[0] ?? []
  if (name === 'service')
    throw invalidError('service', undefined, 'a name: sdctl init orders --framework express --registry consul')
  throw invalidError(`--${name}`, undefined, `one of ${Object.keys(name === 'framework' ? frameworks : registries).join(', ')}`)
}

/** A URL becomes part of the code, so it must not contain credentials. */
function readRegistry(given: string): { readonly registry: string; readonly url: string } {
  const [registry = ''] = given.split(/[+:]/, 1)
  if (!Object.hasOwn(registries, registry))
    throw invalidError('--registry', registry, `one of ${Object.keys(registries).join(', ')}, or a URL of one`)
  if (registry === given) return { registry, url: registries[registry] ?? '' }
  if (/^[\w.,:/+?=&%[\]-]+$/.test(given) && !/(?:token|password)/i.test(given)) return { registry, url: given }
  throw invalidError(
    '--registry',
    'a URL with credentials or quotes',
    'a URL without them; the service reads REGISTRY when it starts',
  )
}
