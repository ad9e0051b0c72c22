import type { DoctorCheck } from './check.ts'

/** All checks, in the order of the output. A module is loaded when the doctor runs. */
export const doctorChecks: readonly (() => Promise<DoctorCheck>)[] = [
  async () => (await import('./runtime.ts')).runtimeCheck,
  async () => (await import('./packages.ts')).packagesCheck,
  async () => (await import('./contexts.ts')).contextsCheck,
  async () => (await import('./registry.ts')).registryCheck,
  async () => (await import('./config.ts')).configCheck,
  async () => (await import('./locks.ts')).locksCheck,
  async () => (await import('./processes.ts')).processesCheck,
]
