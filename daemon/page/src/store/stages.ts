/// Whether a task on this stage has ended.
export const isTerminal = (stage: string): boolean => stage === 'done' || stage === 'cancelled';
