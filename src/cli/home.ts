// The home directory: HOME where that is absolute, else what the user database says. Never the working directory.
import { userInfo } from 'node:os';
import { isAbsolute } from 'node:path';

/** Undefined for a user whom the database does not know, as in a container that runs under a number. */
export function homeDirectory(env: NodeJS.ProcessEnv, ofUser = () => userInfo().homedir): string | undefined {
  const given = env['HOME'];
  if (given && isAbsolute(given)) return given;
  try {
    return ofUser();
  } catch {
    return undefined;
  }
}
