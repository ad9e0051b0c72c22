import { alertChannel, alertFiring } from './alerts.ts'
import { breaker } from './breaker.ts'
import { callersDiffer } from './callers-differ.ts'
import { configDiffers, configRefused } from './config.ts'
import { coreVersions } from './core-versions.ts'
import { undeclaredDependency, unusedDependency } from './dependencies.ts'
import { duplicate } from './duplicate.ts'
import { gatewayRefused } from './gateway.ts'
import { locks } from './locks.ts'
import { noEndpoint } from './no-endpoint.ts'
import { panic } from './panic.ts'
import { registration } from './registration.ts'
import { retryBudget } from './retry-budget.ts'
import type { Rule } from './rule.ts'
import { silentProcess } from './silent-process.ts'
import { slowInstance } from './slow-instance.ts'
import { staleConfig, staleLists } from './stale.ts'
import { unhealthy } from './unhealthy.ts'
import { unregistered } from './unregistered.ts'

/** All rules. Their names are part of the model. */
export const allRules: readonly Rule[] = [
  noEndpoint,
  unregistered,
  panic,
  unhealthy,
  slowInstance,
  breaker,
  retryBudget,
  callersDiffer,
  staleLists,
  staleConfig,
  registration,
  configRefused,
  configDiffers,
  alertFiring,
  alertChannel,
  gatewayRefused,
  locks,
  duplicate,
  silentProcess,
  unusedDependency,
  undeclaredDependency,
  coreVersions,
]
