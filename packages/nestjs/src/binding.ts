import type { Provider, Type } from '@nestjs/common'
import type { ModulesContainer } from '@nestjs/core'
import type { ServiceClient } from '@sd/client'
import { invalidError } from '@sd/core'
import { bind, needsBinding, unbind } from '@sd/decorators'
import { type SdApp, SdClient } from './tokens.ts'

/** An argument of `SdModule.forFeature`: a class with decorated members, or the result of `defineServiceClient`. */
export type SdFeature = Type<unknown> | SdClientDefinition

/** The part of a `ServiceClientDefinition` of `@sd/operations` that is used. The function itself is the injection token. */
export interface SdClientDefinition {
  /** Creates the typed client. */
  (client: ServiceClient): object
  readonly service: string
  /** As they were given. */
  readonly operations: object
}

/** The provider of a class or definition. @throws SdError `SD_INVALID` for another value */
export function provideFeature(feature: SdFeature, index: number): Provider {
  if (typeof feature !== 'function') {
    throw invalidError(`features[${index}]`, typeof feature, 'a class, or what defineServiceClient() returns')
  }
  if (!isDefinition(feature)) return feature
  return { provide: feature, useFactory: (client: SdClient) => feature(client), inject: [SdClient] }
}

function isDefinition(feature: SdFeature): feature is SdClientDefinition {
  return 'operations' in feature && 'service' in feature
}

/**
 * Binds the decorated members of all providers, controllers, guards and so on, whatever their scope.
 *
 * @returns a function that unbinds those that exist once
 */
export function bindAll(modules: ModulesContainer, { client, config, discovery }: SdApp): () => void {
  const bindings = { client, config, discovery }
  const bound = new Set<object>()
  for (const module of modules.values()) {
    for (const wrapper of [...module.providers.values(), ...module.controllers.values(), ...module.injectables.values()]) {
      const { instance, metatype } = wrapper
      const isOneObject = wrapper.isDependencyTreeStatic() && !wrapper.isTransient
      const made = isOneObject ? [instance] : wrapper.getStaticTransientInstances().map((one) => one?.instance)
      for (const one of made) {
        if (typeof one !== 'object' || one === null || bound.has(one) || !needsBinding(one)) continue
        bind(one, bindings)
        bound.add(one)
      }
      // Nest creates the others later, for a request or another user, from a class that binds each of them.
      if (!isOneObject && isClass(metatype) && needsBinding(metatype)) wrapper.metatype = makeBinding(metatype, bindings)
    }
  }
  return () => {
    for (const one of bound) unbind(one)
  }
}

function isClass(metatype: unknown): metatype is Type<object> {
  return typeof metatype === 'function' && metatype.prototype !== undefined
}

function makeBinding(metatype: Type<object>, bindings: Parameters<typeof bind>[1]): Type<object> {
  const Binding = class extends metatype {
    constructor(...values: unknown[]) {
      super(...values)
      bind(this, bindings)
    }
  }
  Object.defineProperty(Binding, 'name', { value: metatype.name })
  return Binding
}

/** Every class of an application. */
export function classesOf(modules: ModulesContainer): readonly object[] {
  const found = new Set<object>()
  for (const module of modules.values()) {
    found.add(module.metatype)
    for (const { metatype } of [...module.providers.values(), ...module.controllers.values()]) {
      if (typeof metatype === 'function') found.add(metatype)
    }
  }
  return [...found]
}
