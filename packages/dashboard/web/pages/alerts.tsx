import type { AlertAnswer } from '@sd/core'
import type { FleetModel, FleetProcess } from '@sd/fleet'
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { count, value } from '../data/format.ts'
import { to } from '../data/route.ts'
import { session } from '../data/state.ts'
import { Age, Clock, Empty, type Level, Section, Status, Text, Title } from '../parts/basics.tsx'
import { ChangeButton, ChangeDialog, openDialog } from '../parts/dialog.tsx'
import { type Column, Table } from '../parts/table.tsx'

/** Something of the alerts of a process. */
interface Of<Item> {
  readonly process: FleetProcess
  readonly item: Item
}

type Answers = FleetProcess['alerts'][number]

function collect<Item>({ processes }: FleetModel, pick: (alerts: Answers) => readonly Item[]): readonly Of<Item>[] {
  return processes.flatMap((process) => process.alerts.flatMap((alerts) => pick(alerts).map((item) => ({ process, item }))))
}

const order = ['critical', 'warning', 'info']
const states = ['firing', 'pending', 'resolved']

/** What fires, and who was told? */
export function AlertsPage({ model }: { readonly model: FleetModel }): JSX.Element {
  const alerts = collect(model, (one) => one.alerts).toSorted(
    (a, b) =>
      states.indexOf(a.item.state) - states.indexOf(b.item.state) ||
      order.indexOf(a.item.severity) - order.indexOf(b.item.severity),
  )
  const rules = collect(model, (one) => one.rules)
  return (
    <>
      <Title>Alerts</Title>
      <Table
        name="Alerts"
        rows={alerts}
        keyOf={({ process, item }) => `${process.processId} ${item.id}`}
        columns={alertColumns}
        empty={
          <Empty code={rules.length === 0 ? example : ''}>
            {rules.length === 0
              ? 'No process evaluates alert rules. @sd/alerts does, over the metrics of its process:'
              : `${count(rules.length, 'rule is', 'rules are')} evaluated, and no alert fires.`}
          </Empty>
        }
      />
      <Silences model={model} />
      <Section title="Channels">
        <Table
          name="Channels"
          rows={collect(model, (one) => one.channels)}
          keyOf={({ process, item }) => `${process.processId} ${item.name}`}
          columns={[
            { name: 'Channel', cell: ({ item }) => <Text of={item.name} longest={60} />, sort: ({ item }) => item.name },
            { name: 'Process', cell: ({ process }) => <ProcessLink process={process} />, sort: ({ process }) => process.name },
            { name: 'Sent', isNumber: true, cell: ({ item }) => item.sent, sort: ({ item }) => item.sent },
            {
              name: 'Failed',
              isNumber: true,
              cell: ({ item: { failed } }) => (failed > 0 ? <Status level="critical">{failed}</Status> : 0),
              sort: ({ item }) => item.failed,
            },
            { name: 'Waiting', isNumber: true, cell: ({ item }) => item.waiting, sort: ({ item }) => item.waiting },
            { name: 'Dropped', isNumber: true, cell: ({ item }) => item.dropped, sort: ({ item }) => item.dropped },
          ]}
          empty={<Empty>No channel notifies anyone.</Empty>}
        />
      </Section>
      <Section title="Rules">
        <Table
          name="Rules"
          rows={rules}
          keyOf={({ process, item }) => `${process.processId} ${item.name}`}
          columns={[
            { name: 'Rule', cell: ({ item }) => <Text of={item.name} longest={60} />, sort: ({ item }) => item.name },
            { name: 'Process', cell: ({ process }) => <ProcessLink process={process} />, sort: ({ process }) => process.name },
            { name: 'Condition', cell: ({ item }) => <Text of={`${item.metric} ${item.condition} ${item.threshold ?? ''}`} /> },
            {
              name: 'For',
              isNumber: true,
              cell: ({ item: { durationMs } }) => (durationMs === undefined ? '–' : `${durationMs / 1_000} s`),
            },
            {
              name: 'Severity',
              cell: ({ item }) => <Severity severity={item.severity} />,
              sort: ({ item }) => order.indexOf(item.severity),
            },
            { name: 'Channels', cell: ({ item }) => <Text of={item.channels?.join(', ') ?? 'all'} /> },
            {
              name: 'Enabled',
              cell: ({ item }) => (item.enabled ? 'yes' : <Status level="warning">no</Status>),
              sort: ({ item }) => (item.enabled ? 1 : 0),
            },
          ]}
          empty={<Empty>There are no rules.</Empty>}
        />
      </Section>
    </>
  )
}

const example = `import { createAlerts, createLogChannel, createPrometheusSource } from '@sd/alerts'

const alerts = createAlerts({
  source: createPrometheusSource(metrics.register),
  channels: [createLogChannel({ logger: console })],
  rules: [{ name: 'database', metric: 'sd_database_up', condition: '<', threshold: 1, severity: 'critical' }],
})`

function ProcessLink({ process: { processId, name } }: { readonly process: FleetProcess }): JSX.Element {
  return (
    <a href={to('processes', processId)}>
      <Text of={name} longest={60} />
    </a>
  )
}

function Severity({ severity }: { readonly severity: string }): JSX.Element {
  return <Status level={order.includes(severity) ? (severity as Level) : 'unknown'}>{value(severity)}</Status>
}

const alertColumns: readonly Column<Of<AlertAnswer>>[] = [
  { name: 'Alert', cell: ({ item }) => <Text of={item.rule} longest={60} />, sort: ({ item }) => item.rule },
  {
    name: 'Severity',
    cell: ({ item }) => <Severity severity={item.severity} />,
    sort: ({ item }) => order.indexOf(item.severity),
  },
  {
    name: 'State',
    cell: ({ item: { state, isSilenced } }) => (
      <Status level={isSilenced || state === 'resolved' ? 'info' : state === 'firing' ? 'critical' : 'warning'}>
        {state}
        {isSilenced && ', silenced'}
      </Status>
    ),
    sort: ({ item }) => states.indexOf(item.state),
  },
  { name: 'Since', cell: ({ item }) => <Age since={item.firingAt ?? item.activeAt} />, sort: ({ item }) => item.activeAt },
  {
    name: 'Value',
    cell: ({ item: { value: now, condition, threshold } }) => <Text of={`${now ?? '–'} ${condition} ${threshold ?? ''}`} />,
  },
  { name: 'Labels', cell: ({ item }) => <Text of={describeLabels(item.labels)} /> },
  { name: 'Process', cell: ({ process }) => <ProcessLink process={process} />, sort: ({ process }) => process.name },
  {
    name: 'Change',
    cell: ({ process, item }) =>
      session.value?.canWrite && process.controls.includes('alerts') && !item.isSilenced && item.state !== 'resolved' ? (
        <SilenceButton process={process} alert={item} />
      ) : (
        <span class="muted">–</span>
      ),
  },
]

function describeLabels(labels: Readonly<Record<string, string>> | undefined): string {
  return (
    Object.entries(labels ?? {})
      .map(([name, text]) => `${name}=${text}`)
      .join(', ') || '–'
  )
}

function SilenceButton({ process, alert }: AlertOf): JSX.Element {
  return (
    <button type="button" onClick={() => openDialog((close) => <SilenceDialog process={process} alert={alert} close={close} />)}>
      Silence…
    </button>
  )
}

interface AlertOf {
  readonly process: FleetProcess
  readonly alert: AlertAnswer
}

function SilenceDialog({
  process: { processId },
  alert: { rule, labels },
  close,
}: AlertOf & { readonly close: () => void }): JSX.Element {
  const [hours, setHours] = useState(1)
  return (
    <ChangeDialog
      title={`Silence ${rule}`}
      action="Silence"
      draft={{ action: 'alerts.silence', processId, rule, labels, durationMs: hours * 3_600_000 }}
      onClose={close}
    >
      <p>
        No one is notified about <Text of={`${rule} ${describeLabels(labels)}`} /> until it ends. The alert stays visible here.
      </p>
      <label>
        For
        <select value={hours} onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}>
          <option value="1">1 hour</option>
          <option value="4">4 hours</option>
          <option value="24">1 day</option>
        </select>
      </label>
    </ChangeDialog>
  )
}

function Silences({ model }: { readonly model: FleetModel }): JSX.Element {
  return (
    <Section title="Silences">
      <Table
        name="Silences"
        rows={collect(model, (one) => one.silences)}
        keyOf={({ process, item }) => `${process.processId} ${item.id}`}
        columns={[
          { name: 'Silence', cell: ({ item }) => <Text of={`${item.rule ?? 'any rule'} ${describeLabels(item.labels)}`} /> },
          { name: 'Until', cell: ({ item }) => <Clock at={item.endsAt} />, sort: ({ item }) => item.endsAt },
          { name: 'Why', cell: ({ item }) => <Text of={item.comment} /> },
          { name: 'Process', cell: ({ process }) => <ProcessLink process={process} />, sort: ({ process }) => process.name },
          {
            name: 'Change',
            cell: ({ process: { processId, controls }, item: { id, rule } }) =>
              session.value?.canWrite && controls.includes('alerts') ? (
                <ChangeButton
                  label="End"
                  title={`End the silence of ${rule ?? 'any rule'}`}
                  draft={{ action: 'alerts.unsilence', processId, id }}
                >
                  <p>Channels are notified again.</p>
                </ChangeButton>
              ) : (
                <span class="muted">–</span>
              ),
          },
        ]}
        empty={<Empty>Nothing is silenced.</Empty>}
      />
    </Section>
  )
}
