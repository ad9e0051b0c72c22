import { invalidError, SdError } from '@sd/core'

/** A method that returns a promise. */
export type AsyncMethod = (...values: never[]) => Promise<unknown>

/** A decorator of classes, for both kinds of decorators. */
export interface DualClassDecorator {
  (target: new (...values: never[]) => unknown, context: ClassDecoratorContext): void
  (target: new (...values: never[]) => unknown): void
}

/** A decorator of methods, for both kinds of decorators. */
export interface DualMethodDecorator<Method extends (...values: never[]) => unknown> {
  <M extends Method>(method: M, context: ClassMethodDecoratorContext): M
  <M extends Method>(target: object, name: string | symbol, descriptor: TypedPropertyDescriptor<M>): TypedPropertyDescriptor<M>
}

/** A decorator of getters and accessors, for both kinds of decorators. */
export interface DualGetterDecorator<Value> {
  (getter: () => Value, context: ClassGetterDecoratorContext<unknown, Value>): () => Value
  (
    accessor: ClassAccessorDecoratorTarget<unknown, Value>,
    context: ClassAccessorDecoratorContext<unknown, Value>,
  ): ClassAccessorDecoratorResult<unknown, Value>
  (target: object, name: string | symbol, descriptor: TypedPropertyDescriptor<Value>): TypedPropertyDescriptor<Value>
}

type AnyMethod = (this: object, ...values: unknown[]) => unknown

/** What a decorator of methods works with. */
export interface DecoratedMethod {
  readonly name: string
  /** The method as it was written. */
  readonly method: AnyMethod
  /** Runs `run` with each new object under standard decorators, or keeps it with the prototype under legacy ones. */
  readonly onBind: (hook: BindHook) => void
  /** Says that the method works only on a bound object. */
  readonly needsBinding: () => void
}

/** Runs when an object is bound. Returns a function that ends what it began. */
export type BindHook = (object: object) => (() => void) | undefined

/** Hooks by object (standard decorators) and by prototype (legacy ones). */
const hooks = new WeakMap<object, BindHook[]>()

/** The hooks of an object, those of its classes included. */
export function hooksOf(object: object): readonly BindHook[] {
  const found = [...(hooks.get(object) ?? [])]
  for (let at: object | null = Object.getPrototypeOf(object); at !== null; at = Object.getPrototypeOf(at)) {
    found.push(...(hooks.get(at) ?? []))
  }
  return found
}

/** Classes, by their prototype, with members that need {@link bind}. */
const binding = new WeakSet<object>()

/**
 * Whether a class or an object of it has decorated members that work only on a bound object, such as `@ServiceCall` and `@ConfigValue`. Under
 * standard decorators it is known once an object of the class has been made.
 */
export function needsBinding(target: object): boolean {
  for (let at: object | null = typeof target === 'function' ? target.prototype : target; at; at = Object.getPrototypeOf(at)) {
    if (binding.has(at)) return true
  }
  return false
}

function addHook(owner: object, hook: BindHook): void {
  const list = hooks.get(owner)
  if (list) list.push(hook)
  else hooks.set(owner, [hook])
}

/** A context of standard decorators. */
interface StandardContext {
  readonly kind: string
  readonly name?: string | symbol
  addInitializer(run: (this: object) => void): void
}

function noteBinding(context: StandardContext): void {
  context.addInitializer(function noteClass() {
    binding.add(Object.getPrototypeOf(this))
  })
}

function readStandard(values: readonly unknown[]): StandardContext | undefined {
  const [, context] = values
  const isStandard = values.length === 2 && typeof context === 'object' && context !== null && 'kind' in context
  return isStandard ? (context as StandardContext) : undefined
}

/** Makes a decorator of classes. @param name for errors @throws SdError `SD_INVALID` at the definition for a wrong place */
export function createClassDecorator(name: string, apply: (target: object) => void): DualClassDecorator {
  return ((...values: readonly unknown[]): void => {
    const [target] = values
    const kind = readStandard(values)?.kind
    if ((kind !== undefined && kind !== 'class') || typeof target !== 'function' || values.length > 2) {
      throw misplaced(name, 'classes', kind)
    }
    apply(target)
  }) as DualClassDecorator
}

/** Makes a decorator of methods. @param replace returns what is called instead @throws SdError `SD_INVALID` at the definition for a wrong place */
export function createMethodDecorator<Method extends (...values: never[]) => unknown>(
  name: string,
  replace: (decorated: DecoratedMethod) => AnyMethod,
): DualMethodDecorator<Method> {
  return ((...values: readonly unknown[]): unknown => {
    const context = readStandard(values)
    if (context) {
      if (context.kind !== 'method') throw misplaced(name, 'methods', context.kind)
      return replace({
        name: String(context.name),
        method: values[0] as AnyMethod,
        onBind: (hook) =>
          context.addInitializer(function addOwnHook() {
            addHook(this, hook)
          }),
        needsBinding: () => noteBinding(context),
      })
    }
    const [target, key, descriptor] = values as [object, string | symbol, PropertyDescriptor | undefined]
    if (typeof descriptor?.value !== 'function') throw misplaced(name, 'methods', descriptor ? 'getter' : 'field')
    const method = replace({
      name: String(key),
      method: descriptor.value as AnyMethod,
      onBind: (hook) => addHook(target, hook),
      needsBinding: () => void binding.add(target),
    })
    return { ...descriptor, value: method }
  }) as DualMethodDecorator<Method>
}

/** Makes a decorator of getters and accessors. @param read returns the value, or calls `original` @throws SdError `SD_INVALID` for a wrong place */
export function createGetterDecorator<Value>(
  name: string,
  read: (object: object, original: () => unknown) => unknown,
): DualGetterDecorator<Value> {
  return ((...values: readonly unknown[]): unknown => {
    const context = readStandard(values)
    const wrap = (original: AnyMethod): AnyMethod =>
      function readDecorated(this: object) {
        return read(this, () => original.call(this))
      }
    if (context) {
      noteBinding(context)
      if (context.kind === 'getter') return wrap(values[0] as AnyMethod)
      if (context.kind !== 'accessor') throw misplaced(name, 'getters and accessors', context.kind)
      return { get: wrap((values[0] as { readonly get: AnyMethod }).get) }
    }
    const descriptor = values[2] as PropertyDescriptor | undefined
    if (typeof descriptor?.get !== 'function') throw misplaced(name, 'getters and accessors', descriptor ? 'method' : 'field')
    binding.add(values[0] as object)
    return { ...descriptor, get: wrap(descriptor.get as AnyMethod) }
  }) as DualGetterDecorator<Value>
}

function misplaced(name: string, wanted: string, kind: string | undefined): SdError {
  const hint = kind === 'field' ? `: a field would keep its first value; write a getter, get currency() { return 'EUR' }` : ''
  return new SdError('SD_INVALID', `@${name} is for ${wanted}, not for a ${kind ?? 'parameter or another place'}${hint}`, {
    field: name,
  })
}

/** The error of a decorated member whose object was not bound. */
export function unboundError(object: object, member: string, needs: string): SdError {
  const { name } = object.constructor
  return invalidError(`${name}.${member}`, `an object without ${needs}`, `one that was bound: bind(new ${name}(…), { ${needs} })`)
}
