// biome-ignore-all lint/suspicious/noUnsafeDeclarationMerging: one name is the injection token and its type; nothing extends these classes.
// biome-ignore-all lint/correctness/noUnusedVariables: the type parameter is the interface's.

import type { App } from '@sd/app'
import type { ServiceClient } from '@sd/client'
import type { Config } from '@sd/config'
import type { Registry } from '@sd/core'
import type { Discovery } from '@sd/discovery'

/** The application: its state, its registration and `explain()`. Inject it by this class. */
export abstract class SdApp<Output = unknown> {}
/** What is injected. */
export interface SdApp<Output = unknown> extends App<Output> {}

/** The client, which calls services by name. Inject it by this class. */
export abstract class SdClient {}
/** What is injected. */
export interface SdClient extends ServiceClient {}

/** The live configuration. Inject it by this class. */
export abstract class SdConfig<Output = unknown> {}
/** What is injected. */
export interface SdConfig<Output = unknown> extends Config<Output> {}

/** Discovery: the instances of services. Inject it by this class. */
export abstract class SdDiscovery {}
/** What is injected. */
export interface SdDiscovery extends Discovery {}

/** The registry in use. Inject it by this class. */
export abstract class SdRegistry {}
/** What is injected. */
export interface SdRegistry extends Registry {}
