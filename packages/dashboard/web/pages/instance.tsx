import type { AnswersReport, EdgesReport } from '@sd/admin'
import type { HealthAnswer } from '@sd/core'
import type { FleetInstance, FleetModel, FleetProcess } from '@sd/fleet'
import type { JSX } from 'preact'
import { bytes, count, latency, percent, rate } from '../data/format.ts'
import { to } from '../data/route.ts'
import { changesOf, explainReach, median, problemsOf, processOf } from '../data/select.ts'
import { session } from '../data/state.ts'
import { Age, Empty, Facts, Health, OutsideLink, Section, Status, Text, Title } from '../parts/basics.tsx'
import { Bar } from '../parts/charts.tsx'
import { DeregisterButton, DrainButtons } from '../parts/instance-changes.tsx'
import { Problems, Story } from '../parts/problems.tsx'
import { useResource } from '../parts/resource.ts'
import { Table } from '../parts/table.tsx'
import { ProcessCharts, TrafficCharts } from './samples.tsx'

/** Which instance is slow, and is it its own fault? */
export function Instance({
  model,
  name,
  instanceId,
}: {
  readonly model: FleetModel
  readonly name: string
  readonly instanceId: string
}): JSX.Element {
  const service = model.services.find((one) => one.service === name)
  const instance = service?.instances.find((one) => one.instanceId === instanceId)
  const process = processOf(model, instance?.processId)
  const { logsLink, traceLink } = session.value ?? {}
  const values = { service: name, instance: instanceId, process: instance?.processId ?? '', name: process?.name ?? '' }
  const problems = problemsOf(model, { service: name, instanceId })
  const title = (
    <Title
      aside={
        <>
          <a href={to('services', name)}>
            <Text of={name} longest={60} />
          </a>
          <OutsideLink template={logsLink} values={values}>
            Logs
          </OutsideLink>
          <OutsideLink template={traceLink} values={values}>
            Traces
          </OutsideLink>
          {process && <DrainButtons process={process} health={instance?.health} />}
          {instance && <DeregisterButton service={name} instanceId={instanceId} process={process} />}
        </>
      }
    >
      <Text of={instanceId} longest={80} />
    </Title>
  )
  if (!service || !instance)
    return (
      <>
        {title}
        <Empty>The registry no longer lists this instance. It left, or its lease ended.</Empty>
        <Story changes={changesOf(model, { service: name, instanceId })} problems={problems} />
      </>
    )
  return (
    <>
      {title}
      <p class="summary">
        <Health health={instance.health} />
        {instance.healthMessage !== undefined && (
          <span class="muted">
            {' '}
            “<Text of={instance.healthMessage} />”
          </span>
        )}{' '}
        · <Text of={explainReach(instance)} longest={500} />
      </p>
      <Facts
        of={[
          ['Address', <Text key="a" of={instance.origin} />],
          ['Version', <Text key="v" of={instance.version ?? '–'} />],
          ['Zone', <Text key="z" of={instance.zone ?? '–'} />],
          ['Weight', instance.weight],
          ['Registered', <Age key="r" since={instance.createdAt} />],
          ['Health since', <Age key="h" since={instance.healthSince} />],
          [
            'Process',
            process ? (
              <a key="p" href={to('processes', process.processId)}>
                <Text of={process.name} longest={60} />
              </a>
            ) : (
              <span class="muted">has no admin endpoint that answers</span>
            ),
          ],
          ['Tags', <Text key="t" of={instance.tags.join(', ') || '–'} />],
        ]}
      />
      <Section title="Wrong now">
        <Problems problems={problems} empty="Nothing is wrong with it." />
      </Section>
      <Section title="Is it slow, and is it its own fault?">
        <Fault instance={instance} siblings={service.instances} process={process} />
        <h3>Attempts at it in the last five minutes</h3>
        <TrafficCharts service={name} instanceId={instanceId} />
      </Section>
      {process?.state === 'answers' && <FromProcess process={process} />}
      <Section title="Metadata">
        <Table
          name="Metadata"
          rows={Object.entries(instance.metadata)}
          keyOf={([key]) => key}
          columns={[
            { name: 'Key', cell: ([key]) => <Text of={key} /> },
            { name: 'Value', cell: ([, text]) => <Text of={text} /> },
          ]}
          empty={<Empty>It has no metadata.</Empty>}
        />
      </Section>
      <Section title="When did it begin?">
        <Story changes={changesOf(model, { service: name, instanceId })} problems={problems} />
      </Section>
    </>
  )
}

/** Compares an instance with its siblings, and itself with what it waits for. */
function Fault({
  instance,
  siblings,
  process,
}: {
  readonly instance: FleetInstance
  readonly siblings: readonly FleetInstance[]
  readonly process: FleetProcess | undefined
}): JSX.Element {
  const typical = median(siblings.flatMap(({ traffic }) => traffic.p99Ms ?? []))
  const own = instance.traffic.p99Ms
  const slowest = Math.max(...siblings.map(({ traffic }) => traffic.p99Ms ?? 0), 1)
  return (
    <>
      <p>{judge(own, typical, siblings.length, process)}</p>
      <Table
        name="Siblings"
        rows={siblings}
        keyOf={({ instanceId }) => instanceId}
        columns={[
          {
            name: 'Instance',
            cell: ({ instanceId }) =>
              instanceId === instance.instanceId ? (
                <b>
                  <Text of={instanceId} longest={60} />
                </b>
              ) : (
                <Text of={instanceId} longest={60} />
              ),
          },
          {
            name: 'Att/s',
            isNumber: true,
            cell: ({ traffic }) => rate(traffic.perSecond),
            sort: ({ traffic }) => traffic.perSecond,
          },
          {
            name: 'Failed',
            isNumber: true,
            cell: ({ traffic }) => percent(traffic.failedShare),
            sort: ({ traffic }) => traffic.failedShare,
          },
          {
            name: 'p50',
            isNumber: true,
            cell: ({ traffic }) => latency(traffic.p50Ms),
            sort: ({ traffic }) => traffic.p50Ms ?? -1,
          },
          {
            name: 'p99',
            isNumber: true,
            cell: ({ traffic }) => latency(traffic.p99Ms),
            sort: ({ traffic }) => traffic.p99Ms ?? -1,
          },
          {
            name: 'Compared',
            cell: ({ traffic: { p99Ms = 0 } }) => (
              <Bar share={p99Ms / slowest} isHigh={typical !== undefined && p99Ms >= 3 * typical} />
            ),
          },
        ]}
        empty={null}
      />
    </>
  )
}

function judge(
  own: number | undefined,
  typical: number | undefined,
  siblings: number,
  process: FleetProcess | undefined,
): string {
  if (own === undefined || typical === undefined) return 'No attempt at it was seen in the last minute.'
  if (siblings < 2) return `Its p99 is ${latency(own)}. There is no other instance to compare it with.`
  const factor = own / Math.max(typical, 0.1)
  if (factor < 3) return `Its p99 is ${latency(own)}, ${factor.toFixed(1)} × the median of the service: not unusual.`
  const slow = `Its p99 is ${latency(own)}, ${factor.toFixed(1)} × the median of the service.`
  if (!process?.system) return `${slow} Its process has no admin endpoint that answers, so the cause is not visible here.`
  const { cpu, loopDelayMs } = process.system
  if (loopDelayMs > 100) return `${slow} Its event loop is delayed by ${latency(loopDelayMs)}: its own fault.`
  if (cpu > 0.9) return `${slow} Its process uses ${percent(cpu)} of a core: its own fault.`
  return `${slow} Its event loop and CPU are free: see below whether what it calls is slow.`
}

/** What its process says of itself. */
function FromProcess({ process }: { readonly process: FleetProcess }): JSX.Element {
  const { processId, system } = process
  const edges = useResource<EdgesReport>('ask', { process: processId, path: '/edges' }, 10_000)
  const health = useResource<AnswersReport<HealthAnswer>>('ask', { process: processId, path: '/health' }, 10_000)
  const checks = health.answer?.answers.flatMap((answer) => answer.checks) ?? []
  const called = (edges.answer?.edges ?? []).filter(({ instanceId }) => instanceId === undefined)
  return (
    <>
      <Section title="Its process">
        {system && (
          <Facts
            of={[
              ['CPU', percent(system.cpu)],
              ['Memory', bytes(system.residentBytes)],
              ['Heap', `${bytes(system.heapUsedBytes)} of ${bytes(system.heapLimitBytes)}`],
              ['Event loop p99', latency(system.loopDelayMs)],
            ]}
          />
        )}
        <ProcessCharts processId={processId} />
      </Section>
      <Section title="What it calls">
        <Table
          name="Calls"
          rows={called}
          keyOf={({ service }) => service}
          columns={[
            {
              name: 'Service',
              cell: ({ service }) => (
                <a href={to('services', service)}>
                  <Text of={service} longest={60} />
                </a>
              ),
              sort: ({ service }) => service,
            },
            { name: 'Calls', isNumber: true, cell: ({ total }) => total.toLocaleString('en'), sort: ({ total }) => total },
            {
              name: 'Failed',
              isNumber: true,
              cell: ({ failed }) =>
                Object.values(failed)
                  .reduce((sum, number) => sum + number, 0)
                  .toLocaleString('en'),
            },
            {
              name: 'Retries',
              isNumber: true,
              cell: ({ retries }) => retries.toLocaleString('en'),
              sort: ({ retries }) => retries,
            },
            {
              name: 'Mean',
              isNumber: true,
              cell: ({ latencySumMs, total }) => latency(total === 0 ? undefined : latencySumMs / total),
              sort: ({ latencySumMs, total }) => latencySumMs / Math.max(total, 1),
            },
          ]}
          empty={<Empty>{edges.problem ?? 'It calls no other service.'}</Empty>}
        />
      </Section>
      <Section title="Its checks" aside={checks.length > 0 && count(checks.length, 'check')}>
        <Table
          name="Checks"
          rows={checks}
          keyOf={({ check }) => check}
          columns={[
            { name: 'Check', cell: ({ check }) => <Text of={check} longest={60} /> },
            {
              name: 'Status',
              cell: ({ status }) => (
                <Status level={status === 'healthy' ? 'good' : status === 'unhealthy' ? 'critical' : 'unknown'}>{status}</Status>
              ),
            },
            { name: 'Since', cell: ({ since }) => <Age since={since} /> },
            { name: 'Checked', cell: ({ checkedAt }) => <Age since={checkedAt} /> },
            { name: 'Error', cell: ({ error }) => <Text of={error?.message ?? '–'} /> },
          ]}
          empty={<Empty>{health.problem ?? 'It has no health reporter, so it has no checks of its own.'}</Empty>}
        />
      </Section>
    </>
  )
}
