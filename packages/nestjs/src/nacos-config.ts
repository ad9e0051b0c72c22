import type { AppConfigOptions } from '@sd/app'
import type { ConfigSourceOptions } from '@sd/config'
import type { NacosConfigSourceOptions } from '@sd/config-nacos'
import { checkObject, invalidError } from '@sd/core'
import { nacosConfigOf } from '@sd/decorators'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { loadOptional, type Part } from './options.ts'

/** One text in Nacos. */
export interface NacosModuleDataId {
  /** Its data id, such as `orders.yaml`. */
  readonly dataId: string
  /** Its group. @default the group of the module */
  readonly group?: string
}

/** Options of `NacosConfigModule.forRoot`. The values of Nacos win over the environment's, and those over `defaults`. */
export interface NacosConfigModuleOptions<Schema extends StandardSchemaV1 = StandardSchemaV1>
  extends Omit<AppConfigOptions<Schema>, 'center'> {
  /** Servers of one Nacos: `host:port`, or `https://host:port`. @default ['127.0.0.1:8848'] */
  readonly servers?: readonly string[]
  /** Data ids to read, later ones win. Those of classes with `@NacosConfig` are added. @default those of the classes */
  readonly dataIds?: readonly (string | NacosModuleDataId)[]
  /** Id of the namespace. @default 'public' */
  readonly namespace?: string
  /** Group of data ids without one. @default 'DEFAULT_GROUP' */
  readonly group?: string
  /** Login. @default none */
  readonly credentials?: { readonly username: string; readonly password: string }
  /** More options of `createNacosConfigSource`, such as `api`, `tls` and `refreshIntervalMs`. @default {} */
  readonly source?: Readonly<Record<string, unknown>>
}

/** The options as a part: its sources are made once the classes with `@NacosConfig` are known. @throws SdError `SD_INVALID` */
export function toNacosPart(options: NacosConfigModuleOptions): Part {
  const {
    servers,
    dataIds = [],
    namespace,
    group,
    credentials,
    source,
    ...config
  } = checkObject('options', options) as NacosConfigModuleOptions
  if ('center' in config) throw invalidError('center', 'a value', 'SdConfigModule, which takes centers of any kind')
  const connection = { servers, namespace, group, credentials, ...source }
  return { config, makeCenters: (classes) => makeSources(connection, dataIds, classes) }
}

async function makeSources(
  connection: Readonly<Record<string, unknown>>,
  dataIds: readonly (string | NacosModuleDataId)[],
  classes: readonly object[],
): Promise<readonly ConfigSourceOptions[]> {
  const { createNacosConfigSource } = await loadOptional(
    '@sd/config-nacos',
    'NacosConfigModule',
    () => import('@sd/config-nacos'),
  )
  const given = Object.fromEntries(Object.entries(connection).filter(([, value]) => value !== undefined))
  const declared = classes.flatMap((one) => nacosConfigOf(one) ?? [])
  const top = [...dataIds, ...declared.filter(({ at }) => at === '').map(({ at: _, ...entry }) => entry)]
  if (top.length === 0 && declared.length === 0) throw invalidError('dataIds', '[]', 'data ids, here or with @NacosConfig')
  const below = Map.groupBy(
    declared.filter(({ at }) => at !== ''),
    ({ at }) => at,
  )
  const places: (readonly [at: string | undefined, ids: readonly unknown[]])[] = top.length > 0 ? [[undefined, top]] : []
  for (const [at, entries] of below) places.push([at, entries.map(({ dataId, group }) => ({ dataId, group }))])
  return places.map(([at, ids]) => ({
    source: createNacosConfigSource({
      name: at === undefined ? 'nacos' : `nacos ${at}`,
      ...given,
      dataIds: ids,
    } as NacosConfigSourceOptions),
    ...(at !== undefined && { at }),
  }))
}
