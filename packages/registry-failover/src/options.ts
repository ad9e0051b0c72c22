import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkKnownKeys,
  checkName,
  checkObject,
  checkOneOf,
  invalidError,
  type ReadOnlyRegistry,
  type Registry,
} from '@sd/core'

/** One of the combined registries. */
export interface FailoverMember {
  /** The registry, or a read-only one, such as DNS or a file. */
  readonly registry: ReadOnlyRegistry
  /** Unique name in the status and in messages. @default the registry's own name */
  readonly name?: string
  /** Priority from 0 to 65,535; the lowest is preferred, of equal ones the first in the list. @default 0 */
  readonly priority?: number
  /** Whether to find instances here. @default true */
  readonly read?: boolean
  /** Whether to register instances here. @default whether the registry supports it */
  readonly write?: boolean
}

/**
 * - `priority`: reads use one member, the best that is healthy
 * - `migration`: reads return the union of all members, and registrations go to all
 */
export type FailoverMode = 'priority' | 'migration'

/** Settings that `reconfigure` can change. */
export interface FailoverSettings {
  /** The registries. At least one must be read. */
  readonly members: readonly FailoverMember[]
  /** How members are combined. @default 'priority' */
  readonly mode?: FailoverMode
  /**
   * Members that hold registrations: all that are written, or only the best healthy one. `active` requires the mode
   * `priority`.
   *
   * @default 'all'
   */
  readonly writeTo?: 'all' | 'active'
  /**
   * Whether register, update and deregister must succeed on every member that is written. @default false: one is
   * enough, and the others catch up
   */
  readonly requireAll?: boolean
  /**
   * How long a member must be unreachable before reads leave it, in milliseconds. A member that was never healthy is
   * left at once. @default 10_000
   */
  readonly failAfterMs?: number
  /** How long a better member must be healthy before reads return to it, in milliseconds. @default 30_000 */
  readonly returnAfterMs?: number
  /** Interval between two pings of a member, in milliseconds, with ± 10 % jitter. @default 2_000 */
  readonly probeIntervalMs?: number
  /** Time limit of a single ping, read or write of one member, in milliseconds. @default 5_000 */
  readonly operationTimeoutMs?: number
}

/** Options of `createFailoverRegistry`. */
export interface FailoverRegistryOptions extends FailoverSettings {
  /** Whether to close the members with this registry, or when `reconfigure` removes them. @default true */
  readonly closeMembers?: boolean
  /** Name of this registry in logs and metrics. @default 'failover' */
  readonly name?: string
}

/** Resolved settings of one member. */
export interface MemberSettings {
  /** See {@link FailoverMember.name}. */
  readonly name: string
  /** Registry to read. */
  readonly source: ReadOnlyRegistry
  /** See {@link FailoverMember.priority}. */
  readonly priority: number
  /** See {@link FailoverMember.read}. */
  readonly read: boolean
  /** Registry to write; absent for a member that is not written. */
  readonly registry: Registry | undefined
}

/** Settings with defaults applied and members in the order of preference. */
export interface ResolvedFailoverSettings extends Required<Omit<FailoverSettings, 'members'>> {
  /** The members, the best first. */
  readonly members: readonly MemberSettings[]
}

const settingKeys = [
  'members',
  'mode',
  'writeTo',
  'requireAll',
  'failAfterMs',
  'returnAfterMs',
  'probeIntervalMs',
  'operationTimeoutMs',
] as const
const maxMembers = 64

/** Validates options and applies defaults. @throws SdError `SD_INVALID` that names the option */
export function resolveFailoverRegistryOptions(
  options: FailoverRegistryOptions,
): ResolvedFailoverSettings & { name: string; closeMembers: boolean } {
  checkKnownKeys('', checkObject('options', options), [...settingKeys, 'closeMembers', 'name'])
  return {
    ...resolve(options),
    name: checkName('name', options.name ?? 'failover'),
    closeMembers: checkBoolean('closeMembers', options.closeMembers ?? true),
  }
}

/**
 * Like {@link resolveFailoverRegistryOptions}, for the settings that can be changed later. @throws SdError `SD_INVALID`
 * that names the option
 */
export function resolveFailoverSettings(settings: FailoverSettings): ResolvedFailoverSettings {
  checkKnownKeys('', settings, settingKeys)
  return resolve(settings)
}

function resolve(settings: FailoverSettings): ResolvedFailoverSettings {
  const mode = checkOneOf('mode', settings.mode ?? 'priority', ['priority', 'migration'])
  const writeTo = checkOneOf('writeTo', settings.writeTo ?? 'all', ['all', 'active'])
  if (mode === 'migration' && writeTo === 'active') throw invalidError('writeTo', writeTo, 'all in the mode migration')
  return {
    members: readMembers(settings.members),
    mode,
    writeTo,
    requireAll: checkBoolean('requireAll', settings.requireAll ?? false),
    failAfterMs: checkDuration('failAfterMs', settings.failAfterMs ?? 10_000),
    returnAfterMs: checkDuration('returnAfterMs', settings.returnAfterMs ?? 30_000),
    probeIntervalMs: checkDuration('probeIntervalMs', settings.probeIntervalMs ?? 2_000, 10),
    operationTimeoutMs: checkDuration('operationTimeoutMs', settings.operationTimeoutMs ?? 5_000, 10),
  }
}

function readMembers(given: readonly FailoverMember[]): readonly MemberSettings[] {
  if (!Array.isArray(given) || given.length === 0 || given.length > maxMembers) {
    throw invalidError('members', given, `an array of 1 to ${maxMembers} members`)
  }
  const members = given.map(readMember)
  for (const [index, { name, source }] of members.entries()) {
    const before = members.slice(0, index)
    if (before.some((member) => member.name === name)) {
      throw invalidError(`members[${index}].name`, name, 'a unique name')
    }
    if (before.some((member) => member.source === source)) {
      throw invalidError(`members[${index}].registry`, `the registry of ${name}`, 'no duplicates')
    }
  }
  if (!members.some(({ read }) => read))
    throw invalidError('members', 'no member that is read', 'at least one member that is read')
  // The sort is stable: of equal priorities the first in the list comes first.
  return members.sort((a, b) => a.priority - b.priority)
}

function readMember(member: FailoverMember, index: number): MemberSettings {
  const field = `members[${index}]`
  checkKnownKeys(field, checkObject(field, member), ['registry', 'name', 'priority', 'read', 'write'])
  const source = member.registry
  checkObject(`${field}.registry`, source)
  for (const method of ['getInstances', 'watch', 'ping', 'close'] as const) {
    checkFunction(`${field}.registry.${method}`, source[method])
  }
  const canWrite = canRegister(source)
  const write = checkBoolean(`${field}.write`, member.write ?? canWrite)
  if (write && !canWrite) throw invalidError(`${field}.write`, true, 'false, because this registry is read-only')
  return {
    name: checkName(`${field}.name`, member.name ?? source.name),
    source,
    priority: checkInteger(`${field}.priority`, member.priority ?? 0, { min: 0, max: 65_535 }),
    read: checkBoolean(`${field}.read`, member.read ?? true),
    registry: write && canWrite ? source : undefined,
  }
}

function canRegister(source: ReadOnlyRegistry): source is Registry {
  return source.capabilities.register && 'register' in source
}
