import type { Command } from './command.ts'

/** A command in the table. Its module is loaded when it runs, so that the start is quick. */
export interface CommandEntry {
  /** Words of the command, such as `services ls`. */
  readonly name: string
  readonly summary: string
  /** Whether it is what the group does without a further word. @default false */
  readonly isDefault?: boolean
  /** Loads the command. */
  load(): Promise<Command>
}

/** What a group of commands is about, by its word. */
export const groups: Readonly<Record<string, string>> = {
  services: 'services of the registry',
  contexts: 'registries with a name, in the contexts file',
  migrate: 'moving between registries',
  generate: 'code from documents',
}

/** All commands, in the order of the help. */
export const commandTable: readonly CommandEntry[] = [
  {
    name: 'services ls',
    summary: 'lists the services with the health of their instances',
    isDefault: true,
    load: async () => (await import('./commands/services-ls.ts')).servicesLs,
  },
  {
    name: 'instances',
    summary: 'lists the instances of a service',
    load: async () => (await import('./commands/instances.ts')).instances,
  },
  {
    name: 'instance',
    summary: 'shows everything that the registry has about one instance',
    load: async () => (await import('./commands/instance.ts')).instance,
  },
  {
    name: 'register',
    summary: 'registers an instance for as long as the command runs (write)',
    load: async () => (await import('./commands/register.ts')).register,
  },
  {
    name: 'deregister',
    summary: 'removes an instance that has no owner (write)',
    load: async () => (await import('./commands/deregister.ts')).deregister,
  },
  {
    name: 'migrate diff',
    summary: 'compares the services and instances of two registries',
    load: async () => (await import('./commands/migrate-diff.ts')).migrateDiff,
  },
  {
    name: 'doctor',
    summary: 'checks the runtime, the packages, the contexts and the registry',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'init',
    summary: 'writes a new service for a framework and a registry',
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    name: 'generate client',
    summary: 'writes a typed client of a service from an OpenAPI document',
    load: async () => (await import('./commands/generate-client.ts')).generateClient,
  },
  {
    name: 'contexts ls',
    summary: 'lists the contexts',
    isDefault: true,
    load: async () => (await import('./commands/contexts-ls.ts')).contextsLs,
  },
  {
    name: 'contexts show',
    summary: 'shows the context in use, or another one',
    load: async () => (await import('./commands/contexts-show.ts')).contextsShow,
  },
  {
    name: 'contexts use',
    summary: 'makes a context the current one',
    load: async () => (await import('./commands/contexts-use.ts')).contextsUse,
  },
  {
    name: 'completion',
    summary: 'prints a completion script for a shell',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    name: 'version',
    summary: 'prints the version',
    load: async () => (await import('./commands/version.ts')).version,
  },
]
