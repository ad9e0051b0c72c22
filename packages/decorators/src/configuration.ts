// biome-ignore-all lint/suspicious/noTemplateCurlyInString: placeholders are written so.
import { checkKnownKeys, checkName, checkObject, invalidError, SdError } from '@sd/core'
import { bindingsOf } from './bind.ts'
import {
  createClassDecorator,
  createGetterDecorator,
  createMethodDecorator,
  type DualClassDecorator,
  type DualGetterDecorator,
  type DualMethodDecorator,
} from './decorator-kinds.ts'

const sections = new WeakMap<object, string>()

/** Options of {@link ConfigValue}. */
export interface ConfigValueOptions {
  /** Whether a missing value is an error, `SD_NOT_FOUND`, instead of what the getter itself returns. @default false */
  readonly required?: boolean
}

/**
 * Puts the paths of a class below another one: with `@ConfigSection('db')`, `@ConfigValue('pool.size')` reads `db.pool.size`.
 *
 * @throws SdError `SD_INVALID` at the definition
 */
export function ConfigSection(path: string): DualClassDecorator {
  checkName('path', path)
  return createClassDecorator('ConfigSection', (target) => void sections.set(target, path))
}

/**
 * A getter whose value is the configuration's, now: each read sees the version in effect. The getter's own body is the default.
 *
 * @throws SdError `SD_INVALID` at the definition for a field, which would keep its first value
 */
export function ConfigValue<Value>(path: string, options: ConfigValueOptions = {}): DualGetterDecorator<Value> {
  checkName('path', path)
  checkKnownKeys('', options, ['required'])
  return createGetterDecorator<Value>('ConfigValue', (object, original) => {
    const full = pathOf(object, path)
    const value = bindingsOf(object).config?.get(full as never) as unknown
    if (value !== undefined) return value
    if (options.required) throw new SdError('SD_NOT_FOUND', `There is no configuration at ${full}`, { field: full })
    return original()
  })
}

/**
 * Calls the method with `{ value, previous, version }` whenever the configuration at the path changes, once its object is bound.
 *
 * @throws SdError `SD_INVALID` at the definition
 */
export function OnConfigChange(path: string): DualMethodDecorator<(...values: never[]) => unknown> {
  checkName('path', path)
  return createMethodDecorator('OnConfigChange', ({ method, onBind, needsBinding }) => {
    needsBinding()
    onBind((object) =>
      bindingsOf(object).config?.onChange(pathOf(object, path) as never, (change) => void method.call(object, change)),
    )
    return method
  })
}

/**
 * {@link ConfigValue} as Nacos' and Spring's users write it: `@NacosValue('${db.pool.size:10}')`. The text after the colon is the default; it
 * becomes a number or a boolean if it reads as one. Values are always live: there is no `autoRefreshed`.
 *
 * @throws SdError `SD_INVALID` at the definition
 */
export function NacosValue<Value>(expression: string): DualGetterDecorator<Value> {
  const [, path, hasDefault, text = ''] = /^\$\{([^:{}]+)(:([\s\S]*))?\}$/.exec(String(expression)) ?? []
  if (path === undefined) throw invalidError('expression', expression, `a placeholder such as $\{db.pool.size:10}`)
  const otherwise = hasDefault === undefined ? undefined : readDefault(text)
  return createGetterDecorator<Value>('NacosValue', (object, original) => {
    const value = bindingsOf(object).config?.get(pathOf(object, path.trim()) as never) as unknown
    return value ?? otherwise ?? original()
  })
}

/** Which entry of Nacos a class with {@link NacosConfig} reads. */
export interface NacosConfigOptions {
  /** Its data id. */
  readonly dataId: string
  /** Its group. @default 'DEFAULT_GROUP' */
  readonly group?: string
  /** Path under which the entry is put, see `at` of a source of `@sd/config`. @default the top */
  readonly at?: string
}

const entries = new WeakMap<object, Required<NacosConfigOptions>>()

/** Says of a class which entry of Nacos it reads. The NestJS module makes the source of it; {@link nacosConfigOf} reads it. */
export function NacosConfig(options: NacosConfigOptions): DualClassDecorator {
  checkKnownKeys('', checkObject('options', options), ['dataId', 'group', 'at'])
  const { group = 'DEFAULT_GROUP', at = '' } = options
  const entry = { dataId: checkName('dataId', options.dataId), group: checkName('group', group), at }
  return createClassDecorator('NacosConfig', (target) => {
    entries.set(target, entry)
    if (at !== '') sections.set(target, at)
  })
}

/** The options of {@link NacosConfig}; `undefined` for a class without. */
export function nacosConfigOf(target: object): Required<NacosConfigOptions> | undefined {
  return entries.get(target)
}

function pathOf(object: object, path: string): string {
  for (let at: object | null = object.constructor; at !== null; at = Object.getPrototypeOf(at)) {
    const section = sections.get(at)
    if (section !== undefined) return `${section}.${path}`
  }
  return path
}

function readDefault(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
}
