import type { OptionSpec } from './command.ts'

/** Option of commands that read the configuration. Commands that write it have none: only a context says what may be changed. */
export const configOptions: readonly OptionSpec[] = [
  {
    flags: '--config <url>',
    description: 'the configuration, such as etcd://10.0.0.1:2379/orders; that of the context or SD_CONFIG otherwise',
  },
]

/** Option of commands that read locks. */
export const lockOptions: readonly OptionSpec[] = [
  { flags: '--lock <url>', description: 'the locks, such as etcd://10.0.0.1:2379; those of the context or SD_LOCK otherwise' },
]
