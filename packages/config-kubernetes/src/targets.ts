import { type Collection, type KubernetesConnection, listCollection } from '@sd/connection-kubernetes'
import type { ConfigKind, ConfigObject } from './config-objects.ts'
import type { ObjectChoice, ResolvedKubernetesConfigSourceOptions } from './options.ts'

/** What is read by one list and one watch: a single object, or those with a label. */
export interface KubernetesTarget extends Collection {
  readonly kind: ConfigKind
  /** Name of the single object. */
  readonly object: string | undefined
}

/** What a source reads, in the order in which it is merged. Each name is a target of its own, because a Role can allow one name only to those who ask for one. */
export function targetsOf(
  { configMaps, secrets }: ResolvedKubernetesConfigSourceOptions,
  namespace: string,
): readonly KubernetesTarget[] {
  const choose = (kind: ConfigKind, resource: string, choice: ObjectChoice): readonly KubernetesTarget[] => {
    const path = `/api/v1/namespaces/${namespace}/${resource}`
    if ('labelSelector' in choice) return [{ kind, path, object: undefined, labelSelector: choice.labelSelector }]
    return choice.map((object) => ({ kind, path, object, fieldSelector: selectName(object) }))
  }
  return [...choose('ConfigMap', 'configmaps', configMaps), ...choose('Secret', 'secrets', secrets)]
}

/** The object of this name, if the target has it. */
export async function findObject(
  connection: KubernetesConnection,
  target: KubernetesTarget,
  name: string,
  signal: AbortSignal,
): Promise<ConfigObject | undefined> {
  const { items } = await listCollection<ConfigObject>(connection, { ...target, fieldSelector: selectName(name) }, signal)
  return items[0]
}

function selectName(name: string): string {
  return `metadata.name=${name}`
}
