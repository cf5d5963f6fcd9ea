/** Suggests the option that an unknown option stands for: a typo, a part of a name, or the name in another program. */

/** The names of the options in curl, nc, scp, rsync, croc and others. A command ignores rows of options it lacks. */
const foreignNames: Record<string, string> = {
  '--quiet': 's silent',
  '--out': 'O d output dir directory folder destination',
  '--port': 'P',
  '--host': 'b s address bind interface',
  '--timeout': 'w max-time timeout-seconds',
  '--wait': 'retry',
  '--listen': 'l',
  '--text': 'm message msg',
  '--name': 'filename rename as',
  '--exec': 'e c command hook run',
  '--accept': 'type mime',
  '--exclude': 'x ignore',
  '--follow': 'L dereference copy-links',
  '--dry-run': 'n simulate list-only',
  '--max-depth': 'depth',
  '--udp': 'u',
  '--room': 'chat broker',
  '--if-exists overwrite': 'f force overwrite',
  '--if-exists skip': 'n no-clobber ignore-existing',
}

const directory = 'a directory needs no option: tcp-send dir host 9000'
const key = '--code encrypts one transfer, --key-file FILE all; tcp-recv --generate-key makes a key'

type CommandName = 'tcp-send' | 'tcp-recv' | 'tcp-chat'

/** Foreign options without a counterpart here, and what to do instead. */
const explanations: Record<'both' | CommandName, Record<string, string>> = {
  both: {
    'i key identity pass password secret tls ssl encrypt': key,
    'u udp': 'files go over TCP only',
    'z C gzip': 'tcp-send compresses by itself where that is faster; tcp-send --compress always does so always',
  },
  'tcp-send': {
    'r R a recursive archive': directory,
    'file input T upload-file': 'a path needs no option: tcp-send file.txt host 9000',
    'out output o O connect if-exists': 'that is for the receiver: tcp-recv --port 9000 --out dir',
    N: 'tcp-send always ends the stream',
  },
  'tcp-recv': {
    'l listen': 'tcp-recv listens unless --connect is given',
    'text message': 'tcp-recv accepts messages anyway; --text-only accepts nothing else',
  },
  'tcp-chat': {
    'l listen': 'tcp-chat --port PORT listens',
    'connect c': 'to connect: tcp-chat host 9000',
    'z C gzip': 'a talk is not compressed',
  },
}

/**
 * The end of the message about an unknown option: `; did you mean --name?` or what to do instead. Empty if nothing
 * matches. `names` are the options of `command`; `typed` is the unknown option with its dashes.
 */
export function suggestion(command: string, names: readonly string[], typed: string): string {
  const word = typed.replace(/^-+|=.*$/gs, '')
  const dashed = (test: (name: string) => boolean) => names.filter(test).map((name) => `--${name}`)
  const exact = dashed((name) => normalize(name) === normalize(word))
  const foreign = Object.entries(foreignNames).flatMap(([option, words]) =>
    isOneOf(words, word) && hasOption(names, option) ? [option] : [],
  )
  const typos = dashed((name) => word.length > 2 && isTypo(normalize(word), normalize(name)))
  const found = [exact, foreign, typos].find((options) => options.length > 0)
  if (found) return didYouMean(found)
  const rows = { ...explanations.both, ...explanations[command as CommandName] }
  const answer = Object.entries(rows).find(([words]) => isOneOf(words, word))
  if (answer) return `; ${answer[1]}`
  return didYouMean(dashed((name) => word.length > 1 && (name.startsWith(word) || name.split('-').includes(word))))
}

function isOneOf(words: string, word: string): boolean {
  return words.split(' ').includes(word)
}

/** True if the option in `example`, such as `--if-exists skip`, is one of `names`. */
function hasOption(names: readonly string[], example: string): boolean {
  return names.some((name) => `${example} `.startsWith(`--${name} `))
}

function didYouMean(options: readonly string[]): string {
  if (options.length === 0) return ''
  return `; did you mean ${options.join(', ').replace(/, ([^,]*)$/, ' or $1')}?`
}

/** Makes `maxSize`, `max_size` and `max-size` equal. */
function normalize(name: string): string {
  return name.replace(/[-_.]/g, '').toLowerCase()
}

/** True if one letter is wrong, missing or extra, or two adjacent letters are swapped. */
function isTypo(typed: string, name: string): boolean {
  let start = 0
  while (start < typed.length && typed[start] === name[start]) start++
  let end = 0
  const most = Math.min(typed.length, name.length) - start
  while (end < most && typed.at(-1 - end) === name.at(-1 - end)) end++
  const [wrong, right] = [typed.slice(start, typed.length - end), name.slice(start, name.length - end)]
  return (wrong.length <= 1 && right.length <= 1) || (wrong.length === 2 && wrong === [...right].reverse().join(''))
}
