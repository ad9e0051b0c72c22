import { type Signal, signal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ChangeRequest } from '../../src/protocol.ts'
import { change } from '../data/api.ts'

/** A change without its reason, which the user gives. */
export type Draft = ChangeRequest extends infer One ? (One extends ChangeRequest ? Omit<One, 'reason'> : never) : never

/**
 * A dialog that makes a change: it shows what will happen, asks for a reason, and says what became of it. The browser keeps the focus
 * inside, and gives it back.
 */
export function ChangeDialog({
  title,
  action,
  draft,
  children,
  onClose,
  onDone,
}: {
  readonly title: string
  /** Text of the button. */
  readonly action: string
  /** The change; `undefined` while it can't be made. */
  readonly draft: Draft | undefined
  readonly children: ComponentChildren
  readonly onClose: () => void
  /** Called after the change; also after a refused one, as the state may have changed. */
  readonly onDone?: (() => void) | undefined
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const [reason, setReason] = useState('')
  const [state, setState] = useState<'open' | 'busy' | 'done'>('open')
  const [problem, setProblem] = useState('')
  useEffect(() => {
    dialog.current?.showModal()
  }, [])

  async function submit(event: Event): Promise<void> {
    event.preventDefault()
    if (!draft || state === 'busy') return
    setState('busy')
    setProblem('')
    try {
      await change({ ...draft, reason } as ChangeRequest)
      setState('done')
    } catch (error) {
      setProblem((error as Error).message)
      setState('open')
    }
    onDone?.()
  }

  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <form onSubmit={submit}>
        <h2>{title}</h2>
        {children}
        {state !== 'done' && (
          <label>
            Reason
            <input
              name="reason"
              required
              maxLength={500}
              value={reason}
              autocomplete="off"
              onInput={({ currentTarget }) => setReason(currentTarget.value)}
            />
          </label>
        )}
        <div role="alert">{problem && <p class="problem critical">{problem}</p>}</div>
        <div role="status">{state === 'done' && <p>Done.</p>}</div>
        <div class="buttons">
          {state !== 'done' && (
            <button type="submit" class="main" disabled={!draft || state === 'busy' || reason.trim() === ''}>
              {action}
            </button>
          )}
          <button type="button" onClick={() => dialog.current?.close()}>
            {state === 'done' ? 'Close' : 'Cancel'}
          </button>
        </div>
      </form>
    </dialog>
  )
}

/** The dialog that is open. It is drawn beside the page: what it is about may leave the page while it is open. */
const opened: Signal<(() => JSX.Element) | undefined> = signal(undefined)

/** Opens a dialog. What it shows is fixed now: an update of the page must not change what its button does. */
export function openDialog(render: (close: () => void) => JSX.Element): void {
  const close = (): void => {
    opened.value = undefined
  }
  opened.value = () => render(close)
}

/** Draws the open dialog. */
export function DialogHost(): JSX.Element | null {
  return opened.value?.() ?? null
}

/** A button that opens a dialog with a change. */
export function ChangeButton({
  label,
  title,
  draft,
  children,
  onDone,
}: {
  readonly label: string
  readonly title: string
  readonly draft: Draft
  readonly children: ComponentChildren
  /** Called after the change. */
  readonly onDone?: () => void
}): JSX.Element {
  function open(): void {
    openDialog((close) => (
      <ChangeDialog title={title} action={label} draft={draft} onClose={close} onDone={onDone}>
        {children}
      </ChangeDialog>
    ))
  }
  return (
    <button type="button" onClick={open}>
      {label}
    </button>
  )
}
