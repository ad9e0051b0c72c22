export { type BuiltPage, buildPage } from './build-page.ts'
export { type OpenPage, openPage, type PageAddress, startBrowser } from './open-page.ts'
