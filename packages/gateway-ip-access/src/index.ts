export {
  type AccessLists,
  createIpAccessFilter,
  type IpAccessOptions,
  type IpAccessParts,
} from './ip-access-filter.ts'
