export type { FailurePercentageRule, OutlierDetectionOptions, OutlierRules, SuccessRateRule } from './options.ts'
export { createOutlierDetection } from './outlier-detection.ts'
export {
  createOutlierDetector,
  type OutlierDetector,
  type OutlierDetectorOptions,
  type OutlierEjection,
} from './outlier-detector.ts'
