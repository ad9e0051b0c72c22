/** Duration of the long outages of `pnpm test:faults`, in minutes. */
export const outageMinutes: number = Number(process.env['SD_OUTAGE_MINUTES'] ?? 10)
