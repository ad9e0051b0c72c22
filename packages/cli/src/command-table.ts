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
  logs: 'events of processes, which are not log files',
  config: 'entries of the configuration, with their versions',
  canary: 'canary releases: a text of an entry for some instances first',
  alerts: 'alerts of processes',
  locks: 'locks and their holders',
  breaker: 'circuit breakers of processes',
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
    name: 'explain',
    summary: 'shows why a service gets traffic or not',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  {
    name: 'graph',
    summary: 'shows the calls between services',
    load: async () => (await import('./commands/graph.ts')).graph,
  },
  {
    name: 'top',
    summary: 'shows calls, failures and latency of services, or of the instances of one',
    load: async () => (await import('./commands/top.ts')).top,
  },
  {
    name: 'call',
    summary: 'calls a service once, and shows each step (write unless GET or HEAD)',
    load: async () => (await import('./commands/call.ts')).call,
  },
  {
    name: 'problems',
    summary: 'shows what is wrong, and what to do',
    load: async () => (await import('./commands/problems.ts')).problems,
  },
  {
    name: 'changes',
    summary: 'shows what changed, latest first',
    load: async () => (await import('./commands/changes.ts')).changes,
  },
  {
    name: 'logs follow',
    summary: 'follows the events of a service and its processes',
    load: async () => (await import('./commands/logs-follow.ts')).logsFollow,
  },
  {
    name: 'processes',
    summary: 'lists the processes that have an admin endpoint',
    load: async () => (await import('./commands/processes.ts')).processes,
  },
  {
    name: 'process',
    summary: 'shows everything that a process says of itself',
    load: async () => (await import('./commands/process.ts')).process,
  },
  {
    name: 'states',
    summary: 'shows backends, breakers, limits and configurations of processes',
    load: async () => (await import('./commands/states.ts')).states,
  },
  {
    name: 'routes',
    summary: 'shows the routes of gateways',
    load: async () => (await import('./commands/routes.ts')).routes,
  },
  {
    name: 'config ls',
    summary: 'lists the entries of the configuration',
    isDefault: true,
    load: async () => (await import('./commands/config-ls.ts')).configLs,
  },
  {
    name: 'config get',
    summary: 'shows an entry with its secrets masked',
    load: async () => (await import('./commands/config-get.ts')).configGet,
  },
  {
    name: 'config explain',
    summary: 'shows a value in processes, and where it comes from',
    load: async () => (await import('./commands/config-explain.ts')).configExplain,
  },
  {
    name: 'config set',
    summary: 'writes an entry (write)',
    load: async () => (await import('./commands/config-set.ts')).configSet,
  },
  {
    name: 'config history',
    summary: 'lists the versions of an entry',
    load: async () => (await import('./commands/config-history.ts')).configHistory,
  },
  {
    name: 'config diff',
    summary: 'compares two versions of an entry',
    load: async () => (await import('./commands/config-diff.ts')).configDiff,
  },
  {
    name: 'config rollback',
    summary: 'writes an earlier version of an entry again (write)',
    load: async () => (await import('./commands/config-rollback.ts')).configRollback,
  },
  {
    name: 'config verify',
    summary: 'checks that a history is complete and unchanged',
    load: async () => (await import('./commands/config-verify.ts')).configVerify,
  },
  {
    name: 'config watch',
    summary: 'follows the changes of entries',
    load: async () => (await import('./commands/config-watch.ts')).configWatch,
  },
  {
    name: 'config encrypt',
    summary: 'encrypts a text for one entry, or one value of it',
    load: async () => (await import('./commands/config-encrypt.ts')).configEncrypt,
  },
  {
    name: 'config rotate',
    summary: 'encrypts the values of an entry with the newest key (write)',
    load: async () => (await import('./commands/config-rotate.ts')).configRotate,
  },
  {
    name: 'config keygen',
    summary: 'prints a new key',
    load: async () => (await import('./commands/config-keygen.ts')).configKeygen,
  },
  {
    name: 'canary show',
    summary: 'shows the canary release of an entry',
    load: async () => (await import('./commands/canary-show.ts')).canaryShow,
  },
  {
    name: 'canary publish',
    summary: 'publishes a text for some instances (write)',
    load: async () => (await import('./commands/canary-publish.ts')).canaryPublish,
  },
  {
    name: 'canary retarget',
    summary: 'chooses other instances (write)',
    load: async () => (await import('./commands/canary-retarget.ts')).canaryRetarget,
  },
  {
    name: 'canary promote',
    summary: 'applies it to all instances (write)',
    load: async () => (await import('./commands/canary-promote.ts')).canaryPromote,
  },
  {
    name: 'canary abort',
    summary: 'withdraws it (write)',
    load: async () => (await import('./commands/canary-abort.ts')).canaryAbort,
  },
  {
    name: 'alerts ls',
    summary: 'lists alerts and silences',
    isDefault: true,
    load: async () => (await import('./commands/alerts-ls.ts')).alertsLs,
  },
  {
    name: 'alerts rules',
    summary: 'lists the rules',
    load: async () => (await import('./commands/alerts-rules.ts')).alertsRules,
  },
  {
    name: 'alerts silence',
    summary: 'silences a rule for a while (write)',
    load: async () => (await import('./commands/alerts-silence.ts')).alertsSilence,
  },
  {
    name: 'alerts unsilence',
    summary: 'ends a silence (write)',
    load: async () => (await import('./commands/alerts-unsilence.ts')).alertsUnsilence,
  },
  {
    name: 'locks ls',
    summary: 'lists the locks that are held',
    isDefault: true,
    load: async () => (await import('./commands/locks-ls.ts')).locksLs,
  },
  {
    name: 'locks holder',
    summary: 'shows the holder of a lock',
    load: async () => (await import('./commands/locks-holder.ts')).locksHolder,
  },
  {
    name: 'locks watch',
    summary: 'follows the holders of a lock',
    load: async () => (await import('./commands/locks-watch.ts')).locksWatch,
  },
  {
    name: 'breaker open',
    summary: 'opens a circuit breaker of a process (write)',
    load: async () => (await import('./commands/breaker.ts')).breakerOpen,
  },
  {
    name: 'breaker close',
    summary: 'closes it (write)',
    load: async () => (await import('./commands/breaker.ts')).breakerClose,
  },
  {
    name: 'breaker isolate',
    summary: 'keeps it open until it is closed (write)',
    load: async () => (await import('./commands/breaker.ts')).breakerIsolate,
  },
  {
    name: 'drain',
    summary: 'lets callers leave an instance (write)',
    load: async () => (await import('./commands/drain.ts')).drain,
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
    summary: 'checks the installation, the backends and the processes',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'dashboard',
    summary: 'serves a page that shows all of this',
    load: async () => (await import('./commands/dashboard.ts')).dashboard,
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
