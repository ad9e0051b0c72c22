export type { WebSocketRouteOptions } from './route-options.ts'
export { createWebSocket, type WebSocketOptions } from './websocket.ts'
