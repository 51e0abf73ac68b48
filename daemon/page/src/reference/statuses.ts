// The statuses of HTTP in words: HTTP/2 sends none.
const names: { [status: string]: string } = {
  '200': 'OK',
  '201': 'Created',
  '202': 'Accepted',
  '204': 'No Content',
  '304': 'Not Modified',
  '400': 'Bad Request',
  '401': 'Unauthorized',
  '403': 'Forbidden',
  '404': 'Not Found',
  '405': 'Method Not Allowed',
  '408': 'Request Timeout',
  '409': 'Conflict',
  '410': 'Gone',
  '413': 'Content Too Large',
  '414': 'URI Too Long',
  '422': 'Unprocessable Content',
  '429': 'Too Many Requests',
  '431': 'Request Header Fields Too Large',
  '500': 'Internal Server Error',
  '503': 'Service Unavailable',
};

export const statusName = (status: string): string => names[status] ?? 'Status';
