import { type Collection, type KubernetesConnection, listCollection } from '@sd/connection-kubernetes'
import type { ConfigKind, ConfigObject } from './config-objects.ts'
import type { ObjectChoice, ResolvedKubernetesConfigSourceOptions } from './options.ts'

/** The objects of one list and one watch: a single object, or those with a label. */
export interface KubernetesTarget extends Collection {
  readonly kind: ConfigKind
  /** Name of the single object. */
  readonly object: string | undefined
}

/** The targets of a source, in the order in which they are merged. Each name is a separate target: a Role for a name allows only requests for that name. */
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

/** The object of this name, if the target includes it. */
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
