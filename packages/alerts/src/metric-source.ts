/** The value of one series at one moment. */
export interface MetricSample {
  /** Name of the series, such as `http_requests_total`. A histogram has `…_bucket` with the label `le`, `…_sum` and `…_count`. */
  readonly name: string
  /** Labels of the series. */
  readonly labels: Readonly<Record<string, string>>
  /** Value of the series. A sample whose value is not finite is ignored. */
  readonly value: number
}

/** Reads all current samples. `signal` aborts when it takes too long. */
export type MetricSource = (signal: AbortSignal) => readonly MetricSample[] | Promise<readonly MetricSample[]>
