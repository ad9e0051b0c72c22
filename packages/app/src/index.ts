export type { AppAdminControls, AppAdminOptions } from './admin-options.ts'
export { type App, type AppReport, type AppRequest, type AppResponse, createApp } from './app.ts'
export type { AppConfigOptions, AppInstance, AppLogging, AppMetrics, AppOptions, AppTracing } from './options.ts'
