/** Failed system calls in words. Node.js has no names for some errors of Linux and calls all of them UNKNOWN. */
import { getSystemErrorMap } from 'node:util'

/** Errors of file systems and sockets on Linux that Node.js does not name, or names wrongly (errno(3)). */
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

/** The code and the text of a system error. Undefined for any other error, and for an unknown number. */
function lookUp(error: unknown, platform: NodeJS.Platform): readonly [code: string, text: string] | undefined {
  const number = (error as NodeJS.ErrnoException | null)?.errno
  if (typeof number !== 'number') return undefined
  // The same numbers mean other things on other systems.
  return (platform === 'linux' ? linux.get(-number) : undefined) ?? getSystemErrorMap().get(number)
}

/** The code of a failed system call, such as `ENOENT`, even if Node.js says `UNKNOWN`. Undefined if there is none. */
export function codeOf(error: unknown, platform: NodeJS.Platform = process.platform): string | undefined {
  return lookUp(error, platform)?.[0] ?? (error as NodeJS.ErrnoException | null)?.code
}

/** The meaning of a failed system call, such as "no such file or directory (ENOENT)". */
export function describe(error: unknown, platform: NodeJS.Platform = process.platform): string {
  const known = lookUp(error, platform)
  if (known) return `${known[1]} (${known[0]})`
  const { code, message } = error as NodeJS.ErrnoException
  return `${code ?? message ?? error}`
}
