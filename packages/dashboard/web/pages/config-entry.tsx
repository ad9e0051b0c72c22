import type { AnswersReport } from '@sd/admin'
import type { ConfigAnswer as ProcessConfig } from '@sd/core'
import type { FleetModel } from '@sd/fleet'
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { CanaryAnswer, ConfigAnswer, ConfigDiffAnswer, ConfigVersionAnswer } from '../../src/protocol.ts'
import { value } from '../data/format.ts'
import { parameter, setParameters, to } from '../data/route.ts'
import { session } from '../data/state.ts'
import { Clock, Empty, Section, Status, Text, Title } from '../parts/basics.tsx'
import { ChangeButton, ChangeDialog } from '../parts/dialog.tsx'
import { useResource } from '../parts/resource.ts'
import { type Column, Table } from '../parts/table.tsx'

/** Who changed this, and how is it undone? */
export function ConfigEntry({
  model,
  source,
  name,
}: {
  readonly model: FleetModel
  readonly source: string
  readonly name: string
}): JSX.Element {
  const entry = useResource<ConfigAnswer>('config', { source, key: name }, 10_000)
  const [undo, setUndo] = useState<ConfigVersionAnswer>()
  const { answer } = entry
  const live = answer?.versions.find(({ isLive }) => isLive)
  const newest = live ?? answer?.versions[0]
  return (
    <>
      <Title aside={<a href={to('configuration')}>All entries</a>}>
        <Text of={name} longest={120} />
      </Title>
      {entry.problem && <p class="banner critical">{entry.problem}</p>}
      {answer?.isUnrecorded && (
        <p class="banner warning">
          The content in effect was written past the history, so its author is not known here. The next change records it as a
          version.
        </p>
      )}
      {answer && (
        <>
          <p class="summary">
            <Text of={source} longest={80} />
            {live && ` · version ${live.version} in effect`}
            {answer.chain && ' · '}
            {answer.chain && (
              <Status level={answer.chain.isValid ? 'good' : 'critical'}>
                {answer.chain.isValid ? 'chain verified' : `chain broken: ${answer.chain.problem ?? ''}`}
              </Status>
            )}
          </p>
          {answer.canary && <Canary source={source} name={name} canary={answer.canary} onDone={entry.reload} />}
          <Section title="Versions">
            <Table
              name="Versions"
              rows={answer.versions}
              keyOf={({ version }) => String(version)}
              columns={[...versionColumns, diffColumn(answer.versions, live), undoColumn(answer, setUndo)]}
              empty={
                <Empty>This entry has no history. With @sd/config-history it has versions, authors, differences and undo.</Empty>
              }
            />
          </Section>
          <Difference source={source} name={name} />
          <Section title="Values in effect">
            <Table
              name="Values"
              rows={answer.values}
              keyOf={({ path }) => path}
              columns={[
                { name: 'Path', cell: ({ path }) => <Text of={path || '(whole)'} />, sort: ({ path }) => path },
                { name: 'Value', cell: (row) => <Text of={value(row.value)} /> },
              ]}
              empty={<Empty>{answer.unreadable ?? 'The entry has no values.'}</Empty>}
            />
          </Section>
        </>
      )}
      <Origins model={model} />
      {undo && newest && (
        <UndoDialog
          source={source}
          name={name}
          live={newest}
          wanted={undo}
          onClose={() => setUndo(undefined)}
          onDone={entry.reload}
        />
      )}
    </>
  )
}

const stateLevels = { written: 'good', pending: 'warning', failed: 'critical', unknown: 'unknown' } as const

const versionColumns: readonly Column<ConfigVersionAnswer>[] = [
  {
    name: 'Version',
    cell: ({ version, isLive }) => (isLive ? <b>{version} in effect</b> : version),
    sort: ({ version }) => version,
  },
  { name: 'When', cell: ({ at }) => <Clock at={at} />, sort: ({ at }) => at },
  { name: 'Who', cell: ({ author }) => <Text of={author ?? 'unknown'} longest={60} />, sort: ({ author = '' }) => author },
  {
    name: 'What',
    cell: ({ change, of }) =>
      change === 'external' ? 'written past the history' : of === undefined ? change : `${change} to ${of}`,
    sort: ({ change }) => change,
  },
  { name: 'Why', cell: ({ comment }) => <Text of={comment ?? '–'} /> },
  {
    name: 'State',
    cell: ({ state }) => <Status level={stateLevels[state as keyof typeof stateLevels] ?? 'unknown'}>{state}</Status>,
    sort: ({ state }) => state,
  },
]

function diffColumn(
  versions: readonly ConfigVersionAnswer[],
  live: ConfigVersionAnswer | undefined,
): Column<ConfigVersionAnswer> {
  const compare = (from: number, until: number): JSX.Element => (
    <button type="button" onClick={() => setParameters({ from: String(from), to: String(until) })}>
      <span class="hidden">Compare </span>
      {from} → {until}
    </button>
  )
  return {
    name: 'Compare',
    cell: ({ version }) => {
      const before = versions.find((one) => one.version < version)
      return (
        <span class="buttons">
          {before && compare(before.version, version)}
          {live && live.version > version + 1 && compare(version, live.version)}
        </span>
      )
    },
  }
}

function undoColumn({ hasHistory }: ConfigAnswer, choose: (version: ConfigVersionAnswer) => void): Column<ConfigVersionAnswer> {
  return {
    name: 'Restore',
    cell: (version) =>
      session.value?.canWrite && hasHistory && !version.isLive && version.state === 'written' ? (
        <button type="button" onClick={() => choose(version)}>
          Restore {version.version}…
        </button>
      ) : (
        <span class="muted">–</span>
      ),
  }
}

/** The difference of the versions in the address. */
function Difference({ source, name }: { readonly source: string; readonly name: string }): JSX.Element | null {
  const [from, until] = [parameter('from'), parameter('to')]
  const { answer, problem } = useResource<ConfigDiffAnswer>(from && until ? 'config/diff' : undefined, {
    source,
    key: name,
    from,
    to: until,
  })
  if (!from || !until) return null
  const isText = parameter('as') === 'text'
  return (
    <Section
      title={`Difference from version ${from} to ${until}`}
      aside={
        <button type="button" onClick={() => setParameters({ as: isText ? '' : 'text' })}>
          {isText ? 'As values' : 'As text'}
        </button>
      }
    >
      {problem && <p class="banner critical">{problem}</p>}
      {answer && <DiffView diff={answer} isText={isText} />}
    </Section>
  )
}

function DiffView({
  diff: { values, text },
  isText,
}: {
  readonly diff: ConfigDiffAnswer
  readonly isText: boolean
}): JSX.Element {
  if (isText || !values)
    return (
      <pre class="diff" tabIndex={0}>
        {text.split('\n').map((line, index) => (
          <span key={index} class={line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : ''}>
            {line}
            {'\n'}
          </span>
        ))}
      </pre>
    )
  if (values.length === 0) return <p>No value differs.</p>
  return (
    <ul class="diff-values">
      {values.map(({ path, kind, before, after }) => (
        <li key={path}>
          <code>
            <Text of={path} />
          </code>{' '}
          {kind === 'added' && (
            <>
              added: <ins>{value(after)}</ins>
            </>
          )}
          {kind === 'removed' && (
            <>
              removed: <del>{value(before)}</del>
            </>
          )}
          {kind === 'updated' && (
            <>
              <del>{value(before)}</del> → <ins>{value(after)}</ins>
            </>
          )}
        </li>
      ))}
    </ul>
  )
}

/** Shows what a restored version changes, then writes it if nobody wrote since. */
function UndoDialog({
  source,
  name,
  live,
  wanted,
  onClose,
  onDone,
}: {
  readonly source: string
  readonly name: string
  readonly live: ConfigVersionAnswer
  readonly wanted: ConfigVersionAnswer
  readonly onClose: () => void
  readonly onDone: () => void
}): JSX.Element {
  // What was shown when the dialog opened is what the write must still find.
  const [shown] = useState(live)
  const { answer, problem } = useResource<ConfigDiffAnswer>('config/diff', {
    source,
    key: name,
    from: String(shown.version),
    to: String(wanted.version),
  })
  return (
    <ChangeDialog
      title={`Restore version ${wanted.version} of ${name}`}
      action={`Restore version ${wanted.version}`}
      draft={answer && { action: 'config.rollback', source, key: name, version: wanted.version, ifVersion: shown.version }}
      onClose={onClose}
      onDone={onDone}
    >
      <p>
        The content of version {wanted.version} is written again, byte for byte, as a new version. The newest version is{' '}
        {shown.version} of <Text of={shown.author ?? 'unknown'} longest={60} />, <Clock at={shown.at} />
        {shown.isLive ? ', which is in effect now.' : '. Another content is in effect, which was written past the history.'}
      </p>
      {live.version !== shown.version && (
        <p class="banner warning">Version {live.version} was written since. Cancel, and compare with it.</p>
      )}
      {problem && <p class="banner critical">{problem}</p>}
      {answer ? <DiffView diff={answer} isText={false} /> : <p>Comparing…</p>}
    </ChangeDialog>
  )
}

function Canary({
  source,
  name,
  canary,
  onDone,
}: {
  readonly source: string
  readonly name: string
  readonly canary: CanaryAnswer
  readonly onDone: () => void
}): JSX.Element {
  const { share, tags, addresses, author, comment } = canary
  const steps = [10, 50, 100].filter((step) => step > (share ?? 0))
  const explained = (text: string): JSX.Element => <p>{text}</p>
  return (
    <Section title="Canary release">
      <p>
        <Status level="info">
          {share === undefined ? '' : `${share} % of the instances`}
          {tags.length > 0 && ` · tags ${tags.join(', ')}`}
          {addresses.length > 0 && ` · ${addresses.length} addresses`}
        </Status>{' '}
        by <Text of={author ?? 'unknown'} longest={60} />
        {comment !== undefined && (
          <>
            : “<Text of={comment} />”
          </>
        )}
      </p>
      {session.value?.canWrite && (
        <div class="buttons">
          {steps.map((step) => (
            <ChangeButton
              key={step}
              label={`${step} %`}
              title={`Extend the canary release of ${name} to ${step} %`}
              draft={{ action: 'canary.retarget', source, key: name, share: step }}
              onDone={onDone}
            >
              {explained('Instances of the smaller share keep it. The others stay as they are.')}
            </ChangeButton>
          ))}
          <ChangeButton
            label="Promote"
            title={`Promote the canary release of ${name}`}
            draft={{ action: 'canary.promote', source, key: name }}
            onDone={onDone}
          >
            {explained(
              'Its content becomes the content for all instances. It is refused if the entry changed since the release began.',
            )}
          </ChangeButton>
          <ChangeButton
            label="Abort"
            title={`Abort the canary release of ${name}`}
            draft={{ action: 'canary.abort', source, key: name }}
            onDone={onDone}
          >
            {explained('All instances go back to the content that the others have.')}
          </ChangeButton>
        </div>
      )}
    </Section>
  )
}

/** Where does a value come from, in each process? */
function Origins({ model }: { readonly model: FleetModel }): JSX.Element | null {
  const processes = model.processes.filter(({ configs }) => configs.length > 0)
  const [chosen, path] = [parameter('process'), parameter('path')]
  const process = processes.find(({ processId }) => processId === chosen) ?? processes[0]
  const { answer, problem } = useResource<AnswersReport<ProcessConfig>>(process && path !== '' ? 'ask' : undefined, {
    process: process?.processId ?? '',
    path: '/config',
    value: path,
  })
  const found = answer?.answers.flatMap(({ config, explanation }) => (explanation ? [{ config, explanation }] : [])) ?? []
  if (!process) return null
  return (
    <Section title="Where does a value come from?">
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        <label>
          Path
          <input
            value={path}
            placeholder="db.pool.size"
            onChange={({ currentTarget }) => setParameters({ path: currentTarget.value.trim() })}
          />
        </label>
        <label>
          Process
          <select value={process.processId} onChange={({ currentTarget }) => setParameters({ process: currentTarget.value })}>
            {processes.map(({ processId, name }) => (
              <option key={processId} value={processId}>
                {value(name)}
              </option>
            ))}
          </select>
        </label>
      </form>
      {problem && <p class="banner critical">{problem}</p>}
      {answer && found.length === 0 && <Empty>No configuration of this process has a value at {value(path)}.</Empty>}
      {found.map(({ config, explanation }) => (
        <ol key={config} class="layers">
          {[explanation, ...explanation.overrode].map(({ source, key, line, written }, index) => (
            <li key={`${source} ${key ?? ''} ${line ?? ''}`}>
              <code>{value(index === 0 ? explanation.value : written)}</code> <Text of={source} longest={80} />{' '}
              <Text of={key ?? ''} longest={80} />
              {line !== undefined && ` line ${line}`} {index === 0 ? <b>in effect</b> : <span class="muted">overridden</span>}
            </li>
          ))}
        </ol>
      ))}
    </Section>
  )
}
