/** Failed system calls in words: Node has no name for some of Linux's errors, and calls them all UNKNOWN. */
import { getSystemErrorMap } from 'node:util'

/** What Linux's file systems and sockets can report and Node does not name, or names wrongly (errno(3)). */
const linux: ReadonlyMap<number, readonly [code: string, text: string]> = new Map([
  [35, ['EDEADLK', 'resource deadlock avoided']],
  [37, ['ENOLCK', 'no locks available']],
  [52, ['EBADE', 'invalid exchange']],
  [62, ['ETIME', 'timer expired']],
  [64, ['ENONET', 'machine is not on the network']],
  [66, ['EREMOTE', 'object is remote']],
  [67, ['ENOLINK', 'the link to the server has been severed']],
  [70, ['ECOMM', 'communication error on send']],
  [72, ['EMULTIHOP', 'multihop attempted']],
  [74, ['EBADMSG', 'bad message: the stored data are damaged']],
  [76, ['ENOTUNIQ', 'name not unique on network']],
  [77, ['EBADFD', 'file descriptor in bad state']],
  [78, ['EREMCHG', 'remote address changed']],
  [87, ['EUSERS', 'too many users']],
  [95, ['ENOTSUP', 'operation not supported']],
  [102, ['ENETRESET', 'network dropped connection on reset']],
  [116, ['ESTALE', 'stale file handle: the file or folder has gone from its server']],
  [117, ['EUCLEAN', 'structure needs cleaning: the file system is damaged']],
  [121, ['EREMOTEIO', 'remote i/o error']],
  [122, ['EDQUOT', 'disk quota exceeded']],
  [123, ['ENOMEDIUM', 'no medium found']],
  [124, ['EMEDIUMTYPE', 'wrong medium type']],
  [126, ['ENOKEY', 'required key not available']],
  [127, ['EKEYEXPIRED', 'key has expired']],
  [128, ['EKEYREVOKED', 'key has been revoked']],
  [129, ['EKEYREJECTED', 'key was rejected by the service']],
  [130, ['EOWNERDEAD', 'owner died']],
  [131, ['ENOTRECOVERABLE', 'state not recoverable']],
  [132, ['ERFKILL', 'the radio is switched off']],
  [133, ['EHWPOISON', 'memory page has hardware error']],
])

/** The name and the words of a system error; undefined for anything else thrown, and for a number that nobody knows. */
function lookUp(error: unknown, platform: NodeJS.Platform): readonly [code: string, text: string] | undefined {
  const number = (error as NodeJS.ErrnoException | null)?.errno
  if (typeof number !== 'number') return undefined
  // The same numbers mean other things on other systems.
  return (platform === 'linux' ? linux.get(-number) : undefined) ?? getSystemErrorMap().get(number)
}

/** The code of a failed call, such as `ENOENT`, also where Node says `UNKNOWN`; or undefined for anything else thrown. */
export function codeOf(error: unknown, platform: NodeJS.Platform = process.platform): string | undefined {
  return lookUp(error, platform)?.[0] ?? (error as NodeJS.ErrnoException | null)?.code
}

/** What a failed call means, such as "no such file or directory (ENOENT)". */
export function describe(error: unknown, platform: NodeJS.Platform = process.platform): string {
  const known = lookUp(error, platform)
  if (known) return `${known[1]} (${known[0]})`
  const { code, message } = error as NodeJS.ErrnoException
  return `${code ?? message ?? error}`
}
