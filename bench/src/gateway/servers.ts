import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { ServerSpec } from './proxy.ts'

// Servers in C: the proxies beside ours, and the services, which have to be the cheapest part.

const body = JSON.stringify({
  id: 'order-1',
  items: Array.from({ length: 6 }, (_, index) => ({ sku: `sku-${index}`, count: 1 })),
})

/** A server that is configured by a file. */
function nginx(core: 'proxy' | 'load', server: string): ServerSpec {
  return {
    name: 'nginx',
    program: 'nginx',
    core,
    args: (file) => ['-c', file],
    config: (folder, port) => `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  ${server.replaceAll('PORT', String(port))}
}
`,
  }
}

/** The service of requests. */
export const service: ServerSpec = nginx(
  'load',
  `server { listen 127.0.0.1:PORT; location / { default_type application/json; return 200 '${body}'; } }`,
)

/** nginx in front of the service. */
export function nginxProxy(upstream: number): ServerSpec {
  return nginx(
    'proxy',
    `upstream orders { server 127.0.0.1:${upstream}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:PORT;
    location / {
      proxy_pass http://orders; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }`,
  )
}

/** haproxy in front of a service. @param options of its lines `bind` and `server` */
export function haproxy(upstream: number, mode: 'http' | 'tcp', options: string = ''): ServerSpec {
  return {
    name: 'haproxy',
    program: 'haproxy',
    args: (file) => ['-f', file, '-db'],
    config: (_, port) => `defaults
  mode ${mode}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${mode === 'http' ? '  http-reuse always\n' : ''}frontend edge
  bind 127.0.0.1:${port} ${options}
${mode === 'http' ? '  option forwardfor\n' : ''}  default_backend orders
backend orders
  server one 127.0.0.1:${upstream} ${options}
`,
  }
}

/** nginx in front of a service of datagrams. Its module for them is a package of its own. */
export function nginxDatagrams(upstream: number): ServerSpec {
  return {
    name: 'nginx',
    program: 'nginx',
    args: (file) => ['-c', file],
    ready: askDatagram,
    config: (folder, port) => `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 4096; }
stream { server { listen 127.0.0.1:${port} udp; proxy_pass 127.0.0.1:${upstream}; proxy_timeout 60s; } }
`,
  }
}

/** Sends a datagram, and waits for the response. */
async function askDatagram(port: number): Promise<void> {
  const socket = createSocket('udp4')
  socket.on('error', () => {})
  try {
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.send('x')
    await once(socket, 'message', { signal: AbortSignal.timeout(500) })
  } finally {
    socket.close()
  }
}
