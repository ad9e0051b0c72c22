import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { invalidError, SdError, toSdError } from '@sd/core'
import type { CliManifest } from '../manifest.ts'
import { frameworks } from './frameworks.ts'

/** A file of a service: its path and its text. */
export type ServiceFile = readonly [path: string, text: string]

/** A service to write. */
export interface ServiceRequest {
  /** Lower-case letters, digits and hyphens. */
  readonly service: string
  /** Name of the framework, which is that of its template. */
  readonly framework: string
  /** Type of the registry, such as `consul`. */
  readonly registry: string
  /** URL of the registry, unless `REGISTRY` is set when the service starts. It has no quotes. */
  readonly url: string
  /** Has the versions: those with which this release was tested. */
  readonly manifest: CliManifest
}

/** The files of a new service. */
export function planFiles(request: ServiceRequest): readonly ServiceFile[] {
  const { framework: name, registry, service } = request
  const framework = frameworks[name]
  if (!framework) throw invalidError('--framework', name, `one of ${Object.keys(frameworks).join(', ')}`)
  const start = framework.isCompiled ? 'npm run build && node dist/main.js' : 'node src/main.ts'
  const manifest = {
    name: service,
    version: '0.0.0',
    private: true,
    type: 'module',
    engines: { node: '>=22.19' },
    scripts: { ...(framework.isCompiled && { build: 'tsc' }), start, types: 'tsc --noEmit' },
    dependencies: withVersions([...framework.dependencies, '@sd/core', `@sd/registry-${registry}`], request),
    devDependencies: withVersions(['@types/node', ...(framework.devDependencies ?? []), 'typescript'], request),
  }
  return [
    ['package.json', toJson(manifest)],
    ['tsconfig.json', toJson(tsconfig(framework.isCompiled ?? false))],
    ['.gitignore', framework.isCompiled ? 'node_modules/\ndist/\n' : 'node_modules/\n'],
    ['src/main.ts', readTemplate(request)],
  ]
}

/** Templates are programs that run as they are, with a service and a registry to replace. */
function readTemplate({ framework, service, url }: ServiceRequest): string {
  const text = readFileSync(new URL(`../../templates/${framework}.ts`, import.meta.url), 'utf8')
  return text.replace("'my-service'", `'${service}'`).replace("'memory:'", `'${url}'`)
}

function tsconfig(isCompiled: boolean): object {
  const output = isCompiled
    ? { rootDir: 'src', outDir: 'dist', experimentalDecorators: true, emitDecoratorMetadata: true }
    : { noEmit: true, erasableSyntaxOnly: true, verbatimModuleSyntax: true }
  // As Node.js has it: no DOM, and imports end in `.ts`.
  const shared = { target: 'es2024', lib: ['es2024'], module: 'nodenext', types: ['node'], rewriteRelativeImportExtensions: true }
  return { compilerOptions: { ...shared, strict: true, skipLibCheck: true, ...output }, include: ['src'] }
}

function withVersions(names: readonly string[], { manifest }: ServiceRequest): Readonly<Record<string, string>> {
  const known = { ...manifest.peerDependencies, ...manifest.devDependencies, ...manifest.dependencies }
  return Object.fromEntries([...new Set(names)].sort().map((name) => [name, known[name] ?? '*']))
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

/** Writes files into a folder. @throws SdError `SD_CONFLICT` if one of them exists; nothing is written then */
export async function writeFiles(folder: string, files: readonly ServiceFile[]): Promise<void> {
  const existing = files.map(([path]) => path).filter((path) => existsSync(join(folder, path)))
  if (existing.length > 0)
    throw new SdError('SD_CONFLICT', `${folder} has ${existing.join(', ')} already; choose another folder with --dir`)
  try {
    for (const [path, text] of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text, { flag: 'wx' })
    }
  } catch (error) {
    throw toSdError(error, 'SD_INVALID', `${folder} can't be written`)
  }
}
