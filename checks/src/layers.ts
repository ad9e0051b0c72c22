import { globSync, readFileSync } from 'node:fs'
import { dirname, join, matchesGlob } from 'node:path'
import { root } from './gate.ts'
import { type Manifest, MEMBERS } from './workspace.ts'

/** A member of the workspace, with the members it needs, including those for its tests. */
export interface Member {
  /** Folder below the root. */
  readonly folder: string
  readonly name: string
  /** Names of the needed members. */
  readonly needs: readonly string[]
  /** Relative imports that leave its folder, as `file: specifier`. */
  readonly outside: readonly string[]
}

/**
 * The layers of the workspace, lowest first: patterns of folders, of which the first match applies. A member can need members of its
 * own layer and of lower ones, also for its tests. `test/servers` needs none.
 */
const layers: readonly (readonly string[])[] = [
  ['test/servers'],
  ['packages/core'],
  // Building blocks and test suites of adapters.
  ['packages/testing', 'packages/*-kit', 'packages/{grpc-status,tls}', 'packages/connection-*', 'test/{browser,faults}'],
  // Adapters and policies.
  [
    'packages/registry-*',
    'packages/config-{consul,env,etcd,file,kubernetes,nacos,zookeeper}',
    'packages/lock-*',
    'packages/balancer-!(subset)',
    'packages/breaker-*',
    'packages/rate-limit-*',
    'packages/{concurrency-limit,health,hedge,retry}',
  ],
  ['packages/{config,discovery}'],
  // Extensions of discovery and configuration.
  ['packages/{config-crypto,config-history,outlier-detection}'],
  ['packages/client'],
  // Packages for servers and observability, on top of the client. The lanes of balancer-subset are interceptors of calls.
  [
    'packages/{admin,alerts,axios,balancer-subset,client-grpc,config-center,fault-injection,gateway,lifecycle,lock,logging,operations,registry,server-limits}',
    'packages/{logging,metrics,tracing}-*',
    'packages/gateway-!(document|server)',
    'packages/http-cache',
    'test/edge',
  ],
  // Compositions of all of them.
  ['packages/{app,decorators,fleet,gateway-document}'],
  ['packages/{dashboard,gateway-server}'],
  // Frameworks, on that, and the command line, which writes services for them.
  ['packages/{cli,fastify,nestjs}'],
  // What the example apps share.
  ['examples/shop'],
  // Users of all packages. Nothing needs these.
  ['test/*', 'bench', 'examples/*'],
  ['checks'],
]

/** Index of the first layer whose members nothing may need. */
const firstRoof = layers.length - 2

const relativeImport = /(?:from|import\(|import) ?'(\.{1,2}\/[^']+)'/g

/** Reads every member of the workspace. */
export function readMembers(): readonly Member[] {
  const found = globSync(`${MEMBERS}/package.json`, { cwd: root }).map((file) => ({
    folder: dirname(file),
    manifest: JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest,
  }))
  const known = new Set(found.map(({ manifest }) => manifest.name))
  return found.map(({ folder, manifest: { name, dependencies, devDependencies, peerDependencies } }) => ({
    folder,
    name,
    needs: Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies }).filter((other) => known.has(other)),
    outside: globSync(`${folder}/src/**/*.ts`, { cwd: root }).flatMap((file) =>
      importsOutside(folder, file, readFileSync(join(root, file), 'utf8')),
    ),
  }))
}

/** Relative imports of a file that leave the member's folder. */
export function importsOutside(folder: string, file: string, text: string): readonly string[] {
  return [...text.matchAll(relativeImport)]
    .map(([, specifier = '']) => specifier)
    .filter((specifier) => !join(dirname(file), specifier).startsWith(`${folder}/`))
    .map((specifier) => `${file}: ${specifier}`)
}

/** Violations of the layers: members that need a higher layer, a member that nothing may need, or a file of another member. One line each. */
export function checkLayers(members: readonly Member[]): readonly string[] {
  const byName = new Map(members.map((member) => [member.name, member]))
  return members.flatMap(({ folder, needs, outside }) => {
    const own = layerOf(folder)
    if (own < 0) return [`${folder} has no layer: add it to checks/src/layers.ts`]
    const problems = outside.map((place) => `${place} leaves the package: import it by its name`)
    for (const name of needs) {
      const other = (byName.get(name) as Member).folder
      const layer = layerOf(other)
      if (own === 0) problems.push(`${folder} needs ${other}, want no package of the workspace`)
      else if (layer > own) problems.push(`${folder} (layer ${own}) needs ${other} (layer ${layer}): that is an import upwards`)
      else if (layer >= firstRoof && own < layers.length - 1) problems.push(`${folder} needs ${other}, which nothing may need`)
    }
    return problems
  })
}

function layerOf(folder: string): number {
  return layers.findIndex((patterns) => patterns.some((pattern) => matchesGlob(folder, pattern)))
}
