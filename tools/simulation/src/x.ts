import { endpointEjectionChannel, subscribeTelemetry, clusterPanicChannel } from '@sd/core'
import { listScenarios } from './matrix.ts'
import { runScenario } from './scenario.ts'
const [seed, id] = process.argv.slice(2)
subscribeTelemetry(endpointEjectionChannel, (e) => { if (e.instanceId === id) console.log(performance.now().toFixed(0), e.monitor, JSON.stringify(e.ejection)) })
subscribeTelemetry(clusterPanicChannel, (e) => console.log(performance.now().toFixed(0), 'panic', e.isPanic, e.healthyShare))
for (const s of listScenarios(1)) if (s.seed === Number(seed)) { const r = await runScenario(s); console.log(r.attempts.filter(a => a.server === Number(id!.split('-')[1]) && a.at > 3000).map(a => a.at.toFixed(0)+a.method).join(' ')) }
